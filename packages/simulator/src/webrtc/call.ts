/**
 * One WebRTC call: a peer connection, the session it carries, and its sidebands.
 *
 * Lifecycle: negotiating -> connected (media flows) -> ended, by hang-up, expiry, a fault, the peer
 * closing its connection or data channel, or a set-up that never completes. A connection that only
 * stutters gets DISCONNECT_GRACE_MS. The call owns everything in it; `end` releases all of it once.
 */
import {
  MediaStreamTrack,
  RTCPeerConnection,
  RTCRtpCodecParameters,
  type RTCRtpTransceiver,
} from 'werift';
import { OpusCodec } from '../audio/opus.ts';
import { toBytes } from '../audio/pcm.ts';
import type { Cancel, Clock } from '../clock.ts';
import type { FaultTarget, Trigger } from '../faults/fault.ts';
import { Triggers } from '../faults/triggers.ts';
import { CALL_SETUP_TIMEOUT_MS } from '../limits.ts';
import type { RealtimeSession } from '../session/session.ts';
import type { WebSocketConnection } from '../websocket/connection.ts';
import type { LiveCall } from './calls.ts';
import { ChannelSink } from './channel.ts';
import { skipHandshakeRecords } from './dtls-records.ts';
import { InboundAudio } from './inbound.ts';
import { Playout } from './playout.ts';

const DISCONNECT_GRACE_MS = 5_000;
/** Lets the last events out before the connection goes. */
const LINGER_MS = 100;
const NORMAL_CLOSURE = 1000;

export interface CallOptions {
  id: string;
  clock: Clock;
  /** Makes the session around the call's media; may throw. */
  openSession(call: Call, media: Playout): RealtimeSession;
  onEnd(call: Call, reason: string): void;
}

export class Call implements FaultTarget, LiveCall {
  readonly id: string;
  readonly session: RealtimeSession;
  readonly sidebands = new Set<WebSocketConnection>();
  readonly #clock: Clock;
  readonly #onEnd: CallOptions['onEnd'];
  readonly #codec = new OpusCodec();
  readonly #track = new MediaStreamTrack({ kind: 'audio' });
  readonly #playout: Playout;
  readonly #inbound: InboundAudio;
  readonly #channel: ChannelSink;
  readonly #triggers: Triggers;
  readonly #peer: RTCPeerConnection;
  #cancelDeadline: Cancel;
  #ended = false;

  constructor(options: CallOptions) {
    this.id = options.id;
    this.#clock = options.clock;
    this.#onEnd = options.onEnd;
    this.#playout = this.#makePlayout();
    this.session = this.#openSession(options);
    this.#triggers = new Triggers(options.clock, this.session.record);
    this.#channel = this.#makeChannel();
    this.#inbound = new InboundAudio(this.#codec, samples =>
      this.session.receiveAudio(samples, toBytes(samples)),
    );
    this.#peer = this.#makePeer();
    this.#cancelDeadline = this.#clock.after(CALL_SETUP_TIMEOUT_MS, () =>
      this.end('no connection'),
    );
    this.session.attach(this.#channel);
    this.session.open();
  }

  #openSession(options: CallOptions): RealtimeSession {
    try {
      return options.openSession(this, this.#playout);
    } catch (error) {
      this.#codec.close();
      throw error;
    }
  }

  #makePlayout(): Playout {
    return new Playout(this.#codec, this.#track, {
      onStarted: response_id =>
        this.session.emit({ type: 'output_audio_buffer.started', response_id }),
      onStopped: response_id =>
        this.session.emit({ type: 'output_audio_buffer.stopped', response_id }),
      onPlayed: samples => this.session.record.sent.audio(toBytes(samples)),
    });
  }

  #makeChannel(): ChannelSink {
    return new ChannelSink({
      clock: this.#clock,
      settleMs: this.session.behaviour.dataChannelDelayMs,
      onMessage: message => {
        this.session.receive(message);
        this.#triggers.check();
      },
      onClose: () => this.end('data channel closed'),
    });
  }

  #makePeer(): RTCPeerConnection {
    const peer = new RTCPeerConnection({
      iceServers: [],
      iceUseIpv6: false,
      // Without it a machine that has only a loopback interface offers no candidate at all.
      iceAdditionalHostAddresses: ['127.0.0.1'],
      codecs: {
        audio: [
          new RTCRtpCodecParameters({ mimeType: 'audio/opus', clockRate: 48_000, channels: 2 }),
        ],
      },
    });
    peer.onTransceiverAdded.subscribe(transceiver => this.#onTransceiver(transceiver));
    peer.onDataChannel.subscribe(channel => this.#channel.connect(channel));
    peer.connectionStateChange.subscribe(state => this.#onState(state));
    return peer;
  }

  /** Takes the offer and gives the answer, with all candidates in it. */
  async negotiate(offerSdp: string): Promise<string> {
    await this.#peer.setRemoteDescription({ type: 'offer', sdp: offerSdp });
    skipHandshakeRecords(this.#peer);
    await this.#peer.setLocalDescription(await this.#peer.createAnswer());
    return this.#peer.localDescription?.sdp ?? '';
  }

  #onTransceiver(transceiver: RTCRtpTransceiver): void {
    if (transceiver.kind !== 'audio') return;
    transceiver.setDirection('sendrecv');
    void transceiver.sender.replaceTrack(this.#track);
    transceiver.onTrack.subscribe(track => {
      track.onReceiveRtp.subscribe(packet => {
        if (!this.#ended) this.#inbound.receive(packet);
      });
    });
  }

  #onState(state: RTCPeerConnection['connectionState']): void {
    if (state === 'connected') {
      this.#cancelDeadline();
      this.#playout.start();
    } else if (state === 'disconnected') {
      this.#cancelDeadline();
      this.#cancelDeadline = this.#clock.after(DISCONNECT_GRACE_MS, () =>
        this.end('connection lost'),
      );
    } else if (state === 'failed' || state === 'closed') {
      this.end(`connection ${state}`);
    }
  }

  /** Ends the call; later calls do nothing. */
  end(reason: string, code = NORMAL_CLOSURE): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelDeadline();
    this.#triggers.close();
    this.session.close();
    this.session.detach(this.#channel);
    this.#channel.close();
    this.#playout.stop();
    for (const sideband of this.sidebands) sideband.close(code, reason);
    this.#onEnd(this, reason);
    this.#clock.after(LINGER_MS, () => void this.#release());
  }

  async #release(): Promise<void> {
    // The library closes without telling the peer; aborting the data channels notifies it.
    await this.#peer.sctp?.stop().catch(() => {});
    await this.#peer.close().catch(() => {});
    this.#codec.close();
  }

  close(code: number, reason: string): void {
    this.end(reason, code);
  }

  reset(): void {
    for (const sideband of this.sidebands) sideband.reset();
    this.end('reset');
  }

  when(trigger: Trigger, action: () => void): void {
    this.#triggers.when(trigger, action);
  }

  after(delayMs: number, action: () => void): void {
    this.#triggers.after(delayMs, action);
  }

  sendText(text: string): void {
    this.#channel.send(text);
  }

  sendRaw(): void {}
  pauseReading(): void {}
  resumeReading(): void {}
  mutePongs(): void {}
}

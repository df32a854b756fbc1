/**
 * A caller over WebRTC for tests: werift on this side too, with its own Opus codec, so that both
 * ends are exercised without a browser.
 */
import {
  MediaStreamTrack,
  type RTCDataChannel,
  RTCPeerConnection,
  RTCRtpCodecParameters,
  RtpHeader,
  RtpPacket,
} from 'werift';
import { FRAME_MS, FRAME_SAMPLES, OpusCodec, RTP_TICKS_PER_SAMPLE } from '../audio/opus.ts';
import { concat } from '../audio/pcm.ts';
import { EventLog } from './events.ts';

export class WebRtcClient {
  readonly events = new EventLog();
  /** DTLS records received in epoch 1, as `content type:number`. */
  readonly records: string[] = [];
  readonly #heard: Int16Array[] = [];
  readonly #codec = new OpusCodec();
  readonly #track = new MediaStreamTrack({ kind: 'audio' });
  readonly #peer: RTCPeerConnection;
  readonly #channel: RTCDataChannel | undefined;
  #sequence = 100;
  #timestamp = 1_000;
  readonly connected: Promise<void>;
  /** The data channel has closed. */
  readonly closed: Promise<void>;

  constructor({ hasChannel = true } = {}) {
    this.#peer = new RTCPeerConnection({
      iceServers: [],
      iceUseIpv6: false,
      iceAdditionalHostAddresses: ['127.0.0.1'],
      codecs: {
        audio: [
          new RTCRtpCodecParameters({ mimeType: 'audio/opus', clockRate: 48_000, channels: 2 }),
        ],
      },
    });
    if (hasChannel) this.#channel = this.#peer.createDataChannel('oai-events');
    this.#channel?.onMessage.subscribe(data => this.events.push(JSON.parse(String(data))));
    this.#peer.onTrack.subscribe(track => {
      track.onReceiveRtp.subscribe(packet => {
        const samples = this.#codec.decode(packet.payload);
        if (samples !== undefined) this.#heard.push(samples);
      });
    });
    this.connected = new Promise(resolve => {
      this.#peer.connectionStateChange.subscribe(state => {
        if (state === 'connected') resolve();
      });
    });
    this.closed = new Promise(resolve => {
      this.#channel?.stateChanged.subscribe(state => {
        if (state === 'closed') resolve();
      });
    });
  }

  async offer(): Promise<string> {
    this.#peer.addTransceiver(this.#track, { direction: 'sendrecv' });
    await this.#peer.setLocalDescription(await this.#peer.createOffer());
    for (const { connection } of this.#peer.iceTransports) {
      connection.onData.subscribe(packet => this.#note(packet));
    }
    return this.#peer.localDescription?.sdp ?? '';
  }

  /** Handshake (22) and application data (23) records. RFC 6347 §4.1. */
  #note(packet: Buffer): void {
    const type = packet[0];
    if ((type !== 22 && type !== 23) || packet.readUInt16BE(3) !== 1) return;
    this.records.push(`${type}:${packet.readUIntBE(5, 6)}`);
  }

  async accept(answerSdp: string): Promise<void> {
    await this.#peer.setRemoteDescription({ type: 'answer', sdp: answerSdp });
    await this.connected;
  }

  send(event: object): void {
    this.#channel?.send(JSON.stringify(event));
  }

  /** Everything heard so far. */
  get heard(): Int16Array {
    return concat(this.#heard);
  }

  /** Speaks in real time, one packet every 20 ms. */
  async speak(samples: Int16Array): Promise<void> {
    const startMs = performance.now();
    for (let frame = 0; (frame + 1) * FRAME_SAMPLES <= samples.length; frame++) {
      const dueMs = startMs + frame * FRAME_MS - performance.now();
      if (dueMs > 0) await new Promise(resolve => setTimeout(resolve, dueMs));
      this.speakFrame(samples.subarray(frame * FRAME_SAMPLES, (frame + 1) * FRAME_SAMPLES));
    }
  }

  speakFrame(samples: Int16Array): void {
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#timestamp += FRAME_SAMPLES * RTP_TICKS_PER_SAMPLE;
    const header = new RtpHeader({
      payloadType: 96,
      sequenceNumber: this.#sequence,
      timestamp: this.#timestamp,
    });
    this.#track.writeRtp(new RtpPacket(header, this.#codec.encode(samples)));
  }

  /** As browsers do: notifies the other side first. */
  async close(): Promise<void> {
    await this.#peer.sctp?.stop();
    await this.#peer.close();
    this.#codec.close();
  }
}

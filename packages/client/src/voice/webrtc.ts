import { ApiError } from '../api-error.ts';
import { callRoutes } from '../client.ts';
import type { Http } from '../http.ts';
import { parseEvent } from './events.ts';
import type { TransportContext, VoiceTransport } from './transport.ts';

/** How long we collect our own addresses before offering those we have. */
const GATHER_TIMEOUT_MS = 1000;
const CONNECT_TIMEOUT_MS = 20_000;

export interface WebRtcLine {
  http: Http;
  model: string;
  /** Gives the `ek_…` secret the call is offered with, in place of the client's credentials. */
  clientSecret?: (() => Promise<string>) | undefined;
  createPeerConnection?: (() => RTCPeerConnection) | undefined;
  connectTimeoutMs?: number | undefined;
}

/**
 * Sound over WebRTC, events over the data channel `oai-events`. The offer goes through the server,
 * the sound from browser to model without it; the server follows the call by its sideband.
 */
export function webRtcTransport(line: WebRtcLine): VoiceTransport {
  const call = new Call(line);
  return {
    kind: 'webrtc',
    choked: false,
    get sessionId() {
      return call.sessionId;
    },
    connect: context => call.connect(context),
    send: event => call.send(event),
    close: () => call.close(),
  };
}

class Call {
  sessionId: string | null = null;
  private calls: ReturnType<typeof callRoutes> | null = null;
  private callId: string | null = null;
  private peer: RTCPeerConnection | null = null;
  private channel: RTCDataChannel | null = null;
  private context: TransportContext | null = null;
  private over = false;
  private readonly line: WebRtcLine;

  constructor(line: WebRtcLine) {
    this.line = line;
  }

  async connect(context: TransportContext): Promise<void> {
    const { line } = this;
    this.context = context;
    const peer = (line.createPeerConnection ?? (() => new RTCPeerConnection()))();
    this.peer = peer;
    const timeout = AbortSignal.timeout(line.connectTimeoutMs ?? CONNECT_TIMEOUT_MS);
    const signal = AbortSignal.any([context.signal, timeout]);
    try {
      const open = this.prepare(peer, context, signal);
      open.catch(() => undefined);
      await this.offer(peer, signal);
      await open;
    } catch (error) {
      const gaveUp = this.shut();
      if (gaveUp) this.hangUp();
      throw this.explain(error, context.signal);
    }
  }

  send(event: object): boolean {
    const { channel } = this;
    if (channel?.readyState !== 'open') return false;
    channel.send(JSON.stringify(event));
    return true;
  }

  close(): void {
    if (!this.shut()) return;
    // Without this message the call keeps its place until the model notices the lost peer.
    this.hangUp();
    this.context?.onClosed({ code: null, reason: 'done', clean: true });
  }

  /** Wires tracks and channel; resolves when the channel is open. */
  private prepare(
    peer: RTCPeerConnection,
    context: TransportContext,
    signal: AbortSignal,
  ): Promise<void> {
    const tracks = context.microphone?.getAudioTracks() ?? [];
    for (const track of tracks) peer.addTrack(track, context.microphone!);
    if (tracks.length === 0) peer.addTransceiver('audio', { direction: 'recvonly' });
    peer.ontrack = ({ streams, track }) =>
      context.onRemoteStream?.(streams[0] ?? new MediaStream([track]));
    const channel = peer.createDataChannel('oai-events');
    this.channel = channel;
    channel.onmessage = message => {
      const event = parseEvent(message.data);
      if (event !== null) context.onEvent(event);
    };
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      channel.onopen = () => resolve();
      const lost = (reason: string) => {
        reject(callFailed(reason));
        this.lost(reason);
      };
      channel.onclose = () => lost('The call was ended by the other side.');
      peer.onconnectionstatechange = () => {
        if (peer.connectionState === 'failed') lost('The connection to the model was lost.');
      };
    });
  }

  private async offer(peer: RTCPeerConnection, signal: AbortSignal): Promise<void> {
    await peer.setLocalDescription(await peer.createOffer());
    await gathered(peer, signal);
    const { clientSecret, http } = this.line;
    const token = await clientSecret?.();
    this.calls = callRoutes(token === undefined ? http : http.as({ kind: 'bearer', token }));
    const answer = await this.calls.create(
      {
        sdp: peer.localDescription!.sdp,
        session: { type: 'realtime', model: this.line.model },
      },
      { signal },
    );
    this.callId = answer.callId;
    this.sessionId = answer.sessionId;
    signal.throwIfAborted();
    await peer.setRemoteDescription({ type: 'answer', sdp: answer.sdp });
  }

  private lost(reason: string): void {
    const wasOpen = this.channel?.readyState !== 'connecting';
    if (!this.shut()) return;
    if (wasOpen) this.context?.onClosed({ code: null, reason, clean: false });
  }

  private hangUp(): void {
    if (this.callId) void this.calls?.hangup(this.callId).catch(() => undefined);
  }

  /** True the first time. */
  private shut(): boolean {
    if (this.over) return false;
    this.over = true;
    this.channel?.close();
    this.peer?.close();
    return true;
  }

  private explain(error: unknown, asked: AbortSignal): unknown {
    if (asked.aborted) return asked.reason;
    if (error instanceof DOMException && error.name === 'TimeoutError') {
      return callFailed('No direct connection to the model came about. Try WebSocket.');
    }
    return error;
  }
}

function callFailed(detail: string): ApiError {
  return new ApiError({ code: 'network', status: 0, detail, requestId: null });
}

/** Without trickle the offer must hold our addresses; a slow network gets what is there. */
function gathered(peer: RTCPeerConnection, signal: AbortSignal): Promise<void> {
  if (peer.iceGatheringState === 'complete') return Promise.resolve();
  return new Promise(resolve => {
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(done, GATHER_TIMEOUT_MS);
    signal.addEventListener('abort', done, { once: true });
    peer.onicegatheringstatechange = () => {
      if (peer.iceGatheringState === 'complete') done();
    };
  });
}

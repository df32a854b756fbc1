import type { ServerEvent } from './events.ts';

/** How a session's line ended. */
export interface TransportClosed {
  /** The WebSocket's close code; null where the line has none. */
  code: number | null;
  reason: string;
  /** False where the line was lost or refused rather than closed. */
  clean: boolean;
}

/** Whether the line is there. `lost`: messages that the server could not keep meanwhile. */
export type LineChange =
  | { readonly state: 'away' }
  | { readonly state: 'here'; readonly lost: number };

export interface TransportHandlers {
  onEvent(event: ServerEvent): void;
  /** Exactly once after `connect` resolved, never before. */
  onClosed(closed: TransportClosed): void;
  /** WebSocket only: the line was lost, and the session waits; or it is back. */
  onLine?(change: LineChange): void;
  /** WebRTC only: the model's voice, to be played or recorded. */
  onRemoteStream?(stream: MediaStream): void;
}

export interface TransportContext extends TransportHandlers {
  /** WebRTC sends this; a WebSocket ignores it. */
  microphone: MediaStream | null;
  signal: AbortSignal;
}

/**
 * The line to the model: events both ways, and for WebSocket the audio in them. One use: after
 * `close` a new one is made.
 */
export interface VoiceTransport {
  readonly kind: 'websocket' | 'webrtc';
  /** Resolves when events can be sent. Rejects with ApiError or the signal's reason. */
  connect(context: TransportContext): Promise<void>;
  /** False where the line is not open, and the event is lost. */
  send(event: object): boolean;
  /** More is waiting to be sent than is useful live; audio is better dropped than late. */
  readonly choked: boolean;
  close(): void;
  /** Our id of the session where the transport carries it; else `holdfast.session` does. */
  readonly sessionId: string | null;
}

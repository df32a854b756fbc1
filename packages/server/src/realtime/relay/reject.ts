/**
 * Ends a WebSocket that was accepted but will not be relayed, because the upstream failed: sends
 * events (usually one `error`), then a close frame, and waits a bounded time for the client's own.
 */
import { newId } from '../../kernel/index.ts';
import { sendableCloseCode } from './close-codes.ts';
import { encodeClose, encodeText } from './frame-encoder.ts';
import { defaultLimits, SERVICE_RESTART } from './limits.ts';
import type { RelayPeer } from './side.ts';

/** A client's own id of an event is repeated up to here. */
const EVENT_ID_MAX_CHARS = 512;

export interface RejectOptions {
  readonly client: RelayPeer;
  readonly events: readonly string[];
  readonly code: number;
  readonly reason: string;
  readonly closeTimeoutMs?: number;
}

/**
 * Resolves when the socket is closed. What the client still sends is thrown away; its reading is
 * left to end with its FIN, because closing earlier could take the close frame away from it.
 */
export function rejectSession(options: RejectOptions): Promise<void> {
  const { socket } = options.client;
  return new Promise(resolve => {
    if (socket.closed) return resolve();
    const { closeTimeoutMs, restartCloseTimeoutMs } = defaultLimits;
    const usualMs = options.code === SERVICE_RESTART ? restartCloseTimeoutMs : closeTimeoutMs;
    const timeoutMs = options.closeTimeoutMs ?? usualMs;
    const timer = setTimeout(() => socket.destroy(), timeoutMs);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    socket.cork();
    for (const event of options.events) socket.write(encodeText(event, false));
    socket.end(encodeClose(sendableCloseCode(options.code), options.reason, false));
    socket.uncork();
    socket.resume();
  });
}

/**
 * The protocol's own error event, in the GA shape, which the preview shares.
 * Source: openai-openapi `RealtimeServerEventError`.
 */
interface ErrorEvent {
  /** Class of error, for instance `invalid_request_error` or `server_error`. */
  readonly type: string;
  /** Stable and machine-readable. */
  readonly code: string;
  /** For people; tells nothing internal. */
  readonly message: string;
  readonly param?: string | null;
  /** The client's event at fault, if it gave it an id. */
  readonly eventId?: unknown;
  /** When the same may succeed. No field of the protocol; clients pass it on or ignore it. */
  readonly retryAfterS?: number | undefined;
}

/** The text of an `error` event that we send in place of the upstream. */
export function errorEvent(error: ErrorEvent): string {
  const { type, code, message, param = null, eventId, retryAfterS } = error;
  return JSON.stringify({
    type: 'error',
    event_id: newId('evt'),
    error: {
      type,
      code,
      message,
      param,
      event_id: typeof eventId === 'string' ? eventId.slice(0, EVENT_ID_MAX_CHARS) : null,
      ...(retryAfterS !== undefined && { retry_after_s: retryAfterS }),
    },
  });
}

/** For a client whose upstream is lost, where its session has no words of its own. */
export function upstreamFailedEvent(): string {
  return errorEvent({
    type: 'server_error',
    code: 'upstream_failed',
    message: 'The connection to the model was lost.',
  });
}

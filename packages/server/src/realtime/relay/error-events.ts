/** The protocol's own error event, as the relay sends it when it speaks for the upstream. */
import { randomUUID } from 'node:crypto';

export interface ErrorEvent {
  /** Class of error, for instance `invalid_request_error` or `server_error`. */
  readonly type: string;
  /** Stable and machine-readable. */
  readonly code: string;
  /** For people; tells nothing internal. */
  readonly message: string;
}

/** The text of an `error` event (GA and preview protocol shape it alike). */
export function errorEvent(error: ErrorEvent): string {
  return JSON.stringify({
    type: 'error',
    event_id: `event_${randomUUID()}`,
    error: { ...error, param: null, event_id: null },
  });
}

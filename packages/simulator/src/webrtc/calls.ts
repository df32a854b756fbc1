import type { RealtimeSession } from '../session/session.ts';
import type { WebSocketConnection } from '../websocket/connection.ts';

/** A call with its session, however its sound comes. */
export interface LiveCall {
  readonly id: string;
  readonly session: RealtimeSession;
  readonly sidebands: Set<WebSocketConnection>;
  /** Ends the call; later calls do nothing. */
  end(reason: string, code?: number): void;
}

/** The open calls by their id (`rtc_…`). */
export class Calls {
  readonly #calls = new Map<string, LiveCall>();

  get count(): number {
    return this.#calls.size;
  }

  find(id: string): LiveCall | undefined {
    return this.#calls.get(id);
  }

  add(call: LiveCall): void {
    this.#calls.set(call.id, call);
  }

  remove(call: LiveCall): void {
    this.#calls.delete(call.id);
  }

  /** Ends all calls. */
  close(): void {
    for (const call of [...this.#calls.values()]) call.end('shutdown');
  }
}

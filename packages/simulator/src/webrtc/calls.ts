import type { Call } from './call.ts';

/** The open calls by their id (`rtc_…`). */
export class Calls {
  readonly #calls = new Map<string, Call>();

  get count(): number {
    return this.#calls.size;
  }

  find(id: string): Call | undefined {
    return this.#calls.get(id);
  }

  add(call: Call): void {
    this.#calls.set(call.id, call);
  }

  remove(call: Call): void {
    this.#calls.delete(call.id);
  }

  /** Ends all calls. */
  close(): void {
    for (const call of [...this.#calls.values()]) call.end('shutdown');
  }
}

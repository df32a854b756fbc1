/**
 * Passes on the subjects that were rung: at once after silence, else those of `COALESCE_MS` as one
 * set, each subject once. The set is bounded: beyond `RINGS_PENDING_MAX` subjects a ring is dropped
 * and counted, and the followers' poll makes up for it. While a `send` runs the next set gathers,
 * so there is never more than one in transit.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Counter } from '@opentelemetry/api';

/** Short against the poll, long enough for the appends of one burst to be one ring. */
const COALESCE_MS = 5;
export const RINGS_PENDING_MAX = 10_000;

export class Coalescer {
  readonly #send: (subjects: readonly string[]) => Promise<void> | void;
  readonly #dropped: Counter | undefined;
  // A ring may come from inside a transaction or a request; sending must not inherit its context.
  readonly #outside = AsyncLocalStorage.snapshot();
  #pending = new Set<string>();
  #nextAtMs = 0;
  #soon: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #sending = false;
  #closed = false;

  /** `send` must not throw. */
  constructor(send: (subjects: readonly string[]) => Promise<void> | void, dropped?: Counter) {
    this.#send = send;
    this.#dropped = dropped;
  }

  add(subject: string): void {
    if (this.#closed || this.#pending.has(subject)) return;
    if (this.#pending.size >= RINGS_PENDING_MAX) {
      this.#dropped?.add(1);
      return;
    }
    this.#pending.add(subject);
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    clearImmediate(this.#soon);
    clearTimeout(this.#timer);
    this.#pending.clear();
  }

  #schedule(): void {
    if (this.#soon !== undefined || this.#timer !== undefined) return;
    if (this.#sending || this.#closed) return;
    const pauseMs = this.#nextAtMs - performance.now();
    this.#outside(() => {
      if (pauseMs > 0) this.#timer = setTimeout(() => this.#flush(), pauseMs);
      else this.#soon = setImmediate(() => this.#flush());
    });
  }

  async #flush(): Promise<void> {
    this.#soon = undefined;
    this.#timer = undefined;
    this.#nextAtMs = performance.now() + COALESCE_MS;
    const subjects = [...this.#pending];
    this.#pending = new Set();
    this.#sending = true;
    try {
      await this.#send(subjects);
    } finally {
      this.#sending = false;
      if (this.#pending.size > 0) this.#schedule();
    }
  }
}

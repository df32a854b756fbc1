import type { Clock } from './clock.ts';

/**
 * A bounded map whose entries expire: the least recently used entry makes room for a new one, and
 * no entry is returned after `ttlMs`, however often it was read.
 */
export class ExpiringCache<V> {
  readonly #entries = new Map<string, { value: V; expiresAtMs: number }>();
  readonly #clock: Clock;
  readonly #max: number;
  readonly #ttlMs: number;

  constructor(clock: Clock, max: number, ttlMs: number) {
    this.#clock = clock;
    this.#max = max;
    this.#ttlMs = ttlMs;
  }

  get(id: string): V | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    this.#entries.delete(id);
    if (entry.expiresAtMs <= this.#clock.monotonicMs()) return undefined;
    this.#entries.set(id, entry);
    return entry.value;
  }

  put(id: string, value: V): void {
    this.#entries.delete(id);
    if (this.#entries.size >= this.#max) {
      const oldest = this.#entries.keys().next().value;
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
    this.#entries.set(id, { value, expiresAtMs: this.#clock.monotonicMs() + this.#ttlMs });
  }

  forget(id: string): void {
    this.#entries.delete(id);
  }
}

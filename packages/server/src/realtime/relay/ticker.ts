/**
 * One timer for all sessions of a process: pings, silence, stalls and close deadlines are judged
 * once per tick instead of by timers of each session's own.
 *
 * Its clock is monotonic and advances by at most two intervals per tick. So a process that was
 * stopped for a minute does not wake up to find all its peers dead: their bytes are still unread.
 * The timer runs only while there are sessions and does not keep the process alive.
 */
import { tickIntervalMs } from './limits.ts';

/** What the ticker looks after. */
export interface Ticking {
  /** Called once per tick; `nowMs` is the ticker's clock. Must not throw. */
  tick(nowMs: number): void;
}

export class RelayTicker {
  /** The ticker's clock in milliseconds; as exact as one tick. */
  nowMs = 0;
  readonly #intervalMs: number;
  readonly #members = new Set<Ticking>();
  #timer: NodeJS.Timeout | null = null;
  #lastRealMs = 0;

  constructor(intervalMs: number = tickIntervalMs) {
    this.#intervalMs = intervalMs;
  }

  get size(): number {
    return this.#members.size;
  }

  add(member: Ticking): void {
    this.#members.add(member);
    if (this.#timer !== null) return;
    this.#lastRealMs = performance.now();
    this.#timer = setInterval(() => this.#tick(), this.#intervalMs);
    this.#timer.unref();
  }

  remove(member: Ticking): void {
    this.#members.delete(member);
    if (this.#members.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #tick(): void {
    const realMs = performance.now();
    this.nowMs += Math.min(realMs - this.#lastRealMs, 2 * this.#intervalMs);
    this.#lastRealMs = realMs;
    for (const member of this.#members) member.tick(this.nowMs);
  }
}

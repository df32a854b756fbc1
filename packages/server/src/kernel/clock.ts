/**
 * Time as a dependency. Expiry that several processes must agree on is never judged by this clock
 * but by the database's (`now()`); this one is for timers, durations and display.
 */
export interface Clock {
  /** Wall clock in milliseconds since the Unix epoch. */
  nowMs(): number;
  /** Monotonic milliseconds since an arbitrary start; never steps back. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

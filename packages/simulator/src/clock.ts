/**
 * Time as a dependency, so that a whole conversation can be tested without waiting for it.
 * Speech detection does not use it: there, time is counted in samples.
 */
export type Cancel = () => void;

export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch. */
  nowMs(): number;
  /** Runs `action` once after `delayMs`; the result cancels it and may be called at any time. */
  after(delayMs: number, action: () => void): Cancel;
}

/** Node refuses longer timers (it would fire them at once). */
const MAX_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  after(delayMs, action) {
    if (delayMs <= 0) {
      const immediate = setImmediate(action);
      return () => clearImmediate(immediate);
    }
    const timer = setTimeout(action, Math.min(delayMs, MAX_TIMER_MS));
    return () => clearTimeout(timer);
  },
};

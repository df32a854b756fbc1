import type { WorkerLimits } from './deps.ts';

/** Why an agent is asked to stop. */
type WatchdogReason = 'time_limit' | 'no_output';

interface WatchdogEvents {
  onReason(reason: WatchdogReason): void;
  onHardLimit(): void;
}

/**
 * Watches one agent: its time, counted from the run's first start over all attempts, and its
 * silence. Calls `onReason` at most once, and `onHardLimit` when the agent must be killed.
 *
 *   watching ──soft limit or silence──▶ asked to stop ──hard limit──▶ to be killed
 */
export class Watchdog {
  readonly #limits: WorkerLimits;
  readonly #elapsedBeforeMs: number;
  readonly #startedMs = performance.now();
  readonly #events: WatchdogEvents;
  #lastEventMs = performance.now();
  #isReported = false;
  readonly #timer: NodeJS.Timeout;

  constructor(limits: WorkerLimits, elapsedBeforeMs: number, events: WatchdogEvents) {
    this.#limits = limits;
    this.#elapsedBeforeMs = elapsedBeforeMs;
    this.#events = events;
    const intervalMs = Math.min(1_000, limits.silenceMs / 4, limits.softTimeMs / 4);
    this.#timer = setInterval(() => this.#look(), intervalMs);
    this.#timer.unref();
  }

  /** The agent emitted an event. */
  noteEvent(): void {
    this.#lastEventMs = performance.now();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const nowMs = performance.now();
    const elapsedMs = this.#elapsedBeforeMs + nowMs - this.#startedMs;
    if (elapsedMs >= this.#limits.hardTimeMs) {
      this.stop();
      this.#report('time_limit');
      this.#events.onHardLimit();
      return;
    }
    if (elapsedMs >= this.#limits.softTimeMs) this.#report('time_limit');
    else if (nowMs - this.#lastEventMs >= this.#limits.silenceMs) this.#report('no_output');
  }

  #report(reason: WatchdogReason): void {
    if (this.#isReported) return;
    this.#isReported = true;
    this.#events.onReason(reason);
  }
}

import type { WorkerLimits } from './limits.ts';

/** Why an agent must stop, besides being told to. */
type WatchdogReason = 'time_limit' | 'no_output';

/**
 * Watches one agent: its time, counted from the run's first start over all attempts, and its
 * silence. Each reason is told once; at the hard limit the agent is to be killed.
 *
 *   watching ──soft limit or silence──▶ asked to stop ──hard limit──▶ to be killed
 */
export class Watchdog {
  readonly #limits: WorkerLimits;
  readonly #elapsedBeforeMs: number;
  readonly #startedMs = performance.now();
  readonly #onReason: (reason: WatchdogReason) => void;
  readonly #onHardLimit: () => void;
  #heardMs = performance.now();
  #told = false;
  readonly #timer: NodeJS.Timeout;

  constructor(
    limits: WorkerLimits,
    elapsedBeforeMs: number,
    events: { onReason(reason: WatchdogReason): void; onHardLimit(): void },
  ) {
    this.#limits = limits;
    this.#elapsedBeforeMs = elapsedBeforeMs;
    this.#onReason = reason => events.onReason(reason);
    this.#onHardLimit = () => events.onHardLimit();
    const intervalMs = Math.min(1_000, limits.silenceMs / 4, limits.softTimeMs / 4);
    this.#timer = setInterval(() => this.#look(), intervalMs);
    this.#timer.unref();
  }

  /** The agent said something. */
  heard(): void {
    this.#heardMs = performance.now();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const nowMs = performance.now();
    const elapsedMs = this.#elapsedBeforeMs + nowMs - this.#startedMs;
    if (elapsedMs >= this.#limits.hardTimeMs) {
      this.stop();
      this.#tell('time_limit');
      this.#onHardLimit();
      return;
    }
    if (elapsedMs >= this.#limits.softTimeMs) this.#tell('time_limit');
    else if (nowMs - this.#heardMs >= this.#limits.silenceMs) this.#tell('no_output');
  }

  #tell(reason: WatchdogReason): void {
    if (this.#told) return;
    this.#told = true;
    this.#onReason(reason);
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Ctrl-C reaches us from the terminal, and once more from npm, which passes it on. */
const REPEATED_MS = 300;
const PARENT_INTERVAL_MS = 500;

/**
 * Everything that asks the launcher to end: a signal, and the death of the npm that started it,
 * which shows in nothing but another parent.
 */
export class EndRequests {
  #count = 0;
  #onRequest: (() => void) | undefined;
  readonly #lastMs = new Map<string, number>();
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #onSignal = (signal: NodeJS.Signals) => {
    const sinceMs = performance.now() - (this.#lastMs.get(signal) ?? Number.NEGATIVE_INFINITY);
    this.#lastMs.set(signal, performance.now());
    if (sinceMs > REPEATED_MS) this.#request();
  };

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
    // Started without npm, the launcher may outlive its parent on purpose.
    if (process.env.npm_lifecycle_event !== 'start') return;
    const npm = process.ppid;
    this.#timer = setInterval(() => {
      if (process.ppid === npm) return;
      clearInterval(this.#timer);
      console.error('npm has ended; stopping everything.');
      this.#request();
    }, PARENT_INTERVAL_MS).unref();
  }

  get any(): boolean {
    return this.#count > 0;
  }

  /** Passes requests on from now, also one that has come before. */
  to(onRequest: () => void): void {
    this.#onRequest = onRequest;
    if (this.any) onRequest();
  }

  close(): void {
    clearInterval(this.#timer);
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
  }

  #request(): void {
    this.#count += 1;
    this.#onRequest?.();
  }
}

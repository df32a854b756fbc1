const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** npm passes a signal on within this time. */
const ECHO_MAX_MS = 2_000;
const PARENT_INTERVAL_MS = 500;

/**
 * Separates a signal from its echo: Ctrl-C reaches us from the terminal and again from npm, which
 * passes it on. Each signal makes the next one of its name an echo, if that comes soon enough; the
 * one behind an echo counts again, so that two presses count as two in whatever order they arrive.
 */
export class Echoes {
  readonly #expectedUntilMs = new Map<string, number>();

  isEcho(signal: string, nowMs: number): boolean {
    const untilMs = this.#expectedUntilMs.get(signal);
    this.#expectedUntilMs.delete(signal);
    if (untilMs !== undefined && nowMs <= untilMs) return true;
    this.#expectedUntilMs.set(signal, nowMs + ECHO_MAX_MS);
    return false;
  }
}

/**
 * Everything that asks the launcher to end: a signal, and the death of the npm that started it,
 * which shows in nothing but another parent.
 */
export class EndRequests {
  #count = 0;
  #onRequest: (() => void) | undefined;
  readonly #echoes = new Echoes();
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #onSignal = (signal: NodeJS.Signals) => {
    const isBelowNpm = process.env.npm_lifecycle_event !== undefined;
    if (isBelowNpm && this.#echoes.isEcho(signal, performance.now())) return;
    this.#request();
  };

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
    // Started without npm, the launcher may outlive its parent on purpose.
    if (process.env.npm_lifecycle_event !== 'start') return;
    const npm = process.ppid;
    this.#timer = setInterval(() => {
      if (process.ppid === npm) return;
      clearInterval(this.#timer);
      // Closing the terminal ends npm and sends us a signal too.
      if (this.any) return;
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

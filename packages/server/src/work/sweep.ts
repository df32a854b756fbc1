import { type Component, endsWithin } from '../kernel/index.ts';

/** How long `stop` waits for a sweep; one that lasts longer goes on until the process ends. */
const STOP_WAIT_MS = 3_000;

export interface SweepOptions {
  /** Of the component. */
  readonly name: string;
  readonly intervalMs: number;
  /** Also at once when it starts: what a crash left waits no longer than needed. */
  readonly atStart: boolean;
  /** One sweep. It may run on many replicas at once, and again after a crash in the middle. */
  run(): Promise<void>;
  onFailure(error: unknown): void;
}

/** Upkeep that runs now and then, one run at a time. */
export class Sweep implements Component {
  readonly name: string;
  readonly #options: SweepOptions;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(options: SweepOptions) {
    this.name = options.name;
    this.#options = options;
  }

  async start(): Promise<void> {
    const { intervalMs, atStart } = this.#options;
    this.#timer = setInterval(() => void this.run(), intervalMs).unref();
    if (atStart) void this.run();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#running) await endsWithin(this.#running, STOP_WAIT_MS);
  }

  /** One sweep; a call during a sweep joins it. Never rejects. */
  run(): Promise<void> {
    this.#running ??= this.#options
      .run()
      .catch((error: unknown) => this.#options.onFailure(error))
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }
}

/** Does `work` for each in turn; one that fails is reported and does not hold up the others. */
export async function eachOf<T>(
  items: readonly T[],
  work: (item: T) => Promise<unknown>,
  onFailure: (item: T, error: unknown) => void,
): Promise<void> {
  for (const item of items) {
    try {
      await work(item);
    } catch (error) {
      onFailure(item, error);
    }
  }
}

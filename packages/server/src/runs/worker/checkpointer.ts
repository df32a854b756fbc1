import type { WorkerLimits } from './limits.ts';

/**
 * Decides when a checkpoint is due: at the end of a tool's use, but not more often than
 * `checkpointMinMs`; and `checkpointMaxMs` after the last one while the agent says anything at all.
 * One at a time; what comes up during one is looked at after it.
 */
export class Checkpointer {
  readonly #limits: Pick<WorkerLimits, 'checkpointMinMs' | 'checkpointMaxMs'>;
  readonly #save: () => Promise<void>;
  readonly #timer: NodeJS.Timeout;
  #savedMs = performance.now();
  #active = false;
  #boundary = false;
  #saving: Promise<void> | undefined;

  /** `save` must not reject. */
  constructor(
    limits: Pick<WorkerLimits, 'checkpointMinMs' | 'checkpointMaxMs'>,
    save: () => Promise<void>,
  ) {
    this.#limits = limits;
    this.#save = save;
    const intervalMs = Math.min(1_000, limits.checkpointMinMs, limits.checkpointMaxMs);
    this.#timer = setInterval(() => this.#look(), intervalMs);
    this.#timer.unref();
  }

  /** Something happened. `boundary`: a tool is done, so files may have changed. */
  noticed(boundary: boolean): void {
    this.#active = true;
    this.#boundary ||= boundary;
    if (boundary) this.#look();
  }

  /** No further checkpoint begins; resolves when one under way has ended. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#active = false;
    await this.#saving;
  }

  #look(): void {
    if (this.#saving !== undefined || !this.#active) return;
    const sinceMs = performance.now() - this.#savedMs;
    const dueMs = this.#boundary ? this.#limits.checkpointMinMs : this.#limits.checkpointMaxMs;
    if (sinceMs < dueMs) return;
    this.#active = false;
    this.#boundary = false;
    this.#saving = this.#save().finally(() => {
      this.#saving = undefined;
      this.#savedMs = performance.now();
    });
  }
}

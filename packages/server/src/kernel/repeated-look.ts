interface OnFailure {
  readonly log: { warn(event: string, fields: Record<string, unknown>): void };
  readonly event: string;
}

/**
 * Looks at something in the database, at most once at a time. A call during a look repeats it
 * once, so that later changes are seen. A failure is logged once per outage: the work
 * that the look is about continues.
 */
export class RepeatedLook {
  readonly #look: () => Promise<void>;
  readonly #onFailure: OnFailure;
  #looking: Promise<void> | undefined;
  #again = false;
  #failing = false;

  constructor(look: () => Promise<void>, onFailure: OnFailure) {
    this.#look = look;
    this.#onFailure = onFailure;
  }

  /** Whether the last look failed. */
  get failing(): boolean {
    return this.#failing;
  }

  /** Resolves when this look is over. Never rejects. */
  now(): Promise<void> {
    this.#again = this.#looking !== undefined;
    this.#looking ??= this.#once().finally(() => {
      this.#looking = undefined;
      if (this.#again) void this.now();
    });
    return this.#looking;
  }

  async #once(): Promise<void> {
    try {
      await this.#look();
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#onFailure.log.warn(this.#onFailure.event, { error });
      this.#failing = true;
    }
  }
}

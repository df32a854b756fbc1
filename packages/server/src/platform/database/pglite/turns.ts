/**
 * Gives one thing to one user at a time, in order of asking. Whoever has waited longer than
 * allowed is refused when the turn comes, so a long queue behind a slow user empties quickly.
 */
export class WaitedTooLong extends Error {}

export class Turns {
  readonly #waiting: (() => void)[] = [];
  #taken = false;

  /** Resolves when it is the caller's turn, with what ends it; that may be called repeatedly. */
  async take(maxWaitMs: number): Promise<() => void> {
    const askedAt = performance.now();
    if (this.#taken) await new Promise<void>(resolve => this.#waiting.push(resolve));
    this.#taken = true;
    if (performance.now() - askedAt > maxWaitMs) {
      this.#next();
      throw new WaitedTooLong();
    }
    let over = false;
    return () => {
      if (over) return;
      over = true;
      this.#next();
    };
  }

  #next(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#taken = false;
  }
}

/** Lets at most so many do something at once, in the order in which they ask. */
export class Turns {
  readonly #atOnce: number;
  readonly #waiting: { readonly begin: () => void; readonly until: Promise<void> }[] = [];
  #taken = 0;

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /** Resolves when it is the turn of whoever asks; the turn lasts `until` that. */
  take(until: Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ begin: resolve, until });
    this.#next();
    return promise;
  }

  #next(): void {
    while (this.#taken < this.#atOnce && this.#waiting.length > 0) {
      const { begin, until } = this.#waiting.shift()!;
      this.#taken += 1;
      begin();
      void until.then(() => {
        this.#taken -= 1;
        this.#next();
      });
    }
  }
}

/** Statements that a process has PostgreSQL keep prepared; each connection keeps those it ran. */
export const PREPARED_MAX = 300;

/** Columns that are not named. */
const STAR = /(\b(select|distinct|returning)\s+|,\s*|\.)\*/i;

/**
 * Names under which statements stay prepared on a connection, which halves what a small one costs.
 * Only those that name their columns get one: a migration that adds a column would change the
 * result of the others under the connections that prepared them. What comes when there are
 * `PREPARED_MAX` is planned each time.
 */
export class StatementNames {
  readonly #names = new Map<string, string>();
  readonly #max: number;

  constructor(max: number = PREPARED_MAX) {
    this.#max = max;
  }

  get size(): number {
    return this.#names.size;
  }

  /** The same for the same text; undefined: not to be kept. */
  nameOf(text: string): string | undefined {
    const known = this.#names.get(text);
    if (known !== undefined || this.#names.size >= this.#max || STAR.test(text)) return known;
    const name = `holdfast_${this.#names.size + 1}`;
    this.#names.set(text, name);
    return name;
  }
}

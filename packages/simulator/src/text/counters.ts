import type { Usage } from '../coding/usage.ts';
import { MAX_COUNTED_TYPES } from '../limits.ts';

const OTHER = 'other';

/** Calls and tokens of the text models since the process started, for tests to compare with. */
export class TextCounters {
  readonly #calls = new Map<string, number>();
  #answered = 0;
  #input = 0;
  #cached = 0;
  #output = 0;

  call(model: string): void {
    const known = this.#calls.has(model) || this.#calls.size < MAX_COUNTED_TYPES;
    const name = known ? model : OTHER;
    this.#calls.set(name, (this.#calls.get(name) ?? 0) + 1);
  }

  tokens(usage: Usage): void {
    this.#answered += 1;
    this.#input += usage.input;
    this.#cached += usage.cached;
    this.#output += usage.output;
  }

  view() {
    return {
      calls: Object.fromEntries(this.#calls),
      answered: this.#answered,
      input_tokens: this.#input,
      cached_tokens: this.#cached,
      output_tokens: this.#output,
    };
  }
}

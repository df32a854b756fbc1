import { inspect } from 'node:util';

const MASK = '***';

/**
 * A value that must not appear in logs, error texts or JSON by accident: every usual way of
 * turning it into text gives `***`. Only `reveal` answers the value, so that a search for it finds
 * every place where a secret leaves its wrapper.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }

  [Symbol.toPrimitive](): string {
    return MASK;
  }

  [inspect.custom](): string {
    return MASK;
  }
}

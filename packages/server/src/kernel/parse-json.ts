import { HoldfastError } from './errors.ts';

/**
 * JSON from outside. `JSON.parse` accepts any shape: 31 MB of `[],[],…` keep it busy for most of a
 * minute, and what it builds is a hundred times as large. So the bytes are counted first, and only
 * a text within the bounds below is parsed.
 */
export interface JsonLimits {
  /** Objects and arrays that stand in one another. */
  readonly maxDepth: number;
  /** Objects and arrays. */
  readonly maxContainers: number;
  /** Members of objects and elements of arrays, counted by their commas. */
  readonly maxCommas: number;
}

/** Schemas of tools' parameters nest deepest; no legitimate text comes near any of these. */
export const JSON_LIMITS: JsonLimits = {
  maxDepth: 100,
  maxContainers: 50_000,
  maxCommas: 100_000,
};

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * Counts one JSON text that arrives in pieces. It knows strings from structure and checks nothing
 * else: a text that is no JSON may pass.
 */
export class JsonScanner {
  readonly #what: string;
  readonly #at: { readonly field?: string };
  readonly #limits: JsonLimits;
  #depth = 0;
  #containers = 0;
  #commas = 0;
  #inString = false;
  #escaped = false;

  /** `what` names the text in errors, `field` the part of a request at fault. */
  constructor(what: string, options: { field?: string; limits?: JsonLimits } = {}) {
    const { field, limits = JSON_LIMITS } = options;
    this.#what = what;
    this.#at = field === undefined ? {} : { field };
    this.#limits = limits;
  }

  /** Throws `invalid_request` at the first piece that exceeds a bound. Bytes are read as UTF-8. */
  push(piece: string | Buffer): void {
    // In UTF-8 no byte of a longer character looks like one of ASCII.
    const text = typeof piece === 'string' ? piece : piece.toString('latin1');
    if (text === '') return;
    for (let at = this.#inString ? this.#skipString(text, 0) : 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) at = this.#skipString(text, at + 1) - 1;
      else if (code === COMMA) this.#commas++;
      else if (code === OPEN_BRACKET || code === OPEN_BRACE) this.#open();
      else if (code === CLOSE_BRACKET || code === CLOSE_BRACE) this.#depth--;
    }
    const { maxContainers, maxCommas } = this.#limits;
    if (this.#containers > maxContainers) {
      this.#refuse(`has more than ${maxContainers} objects and arrays.`);
    }
    if (this.#commas > maxCommas) this.#refuse(`has more than ${maxCommas} members and elements.`);
  }

  /** The index after the string that goes on at `from`; the end of `text` where it does not end. */
  #skipString(text: string, from: number): number {
    let start = this.#escaped ? from + 1 : from;
    for (;;) {
      const quote = text.indexOf('"', start);
      const end = quote < 0 ? text.length : quote;
      let backslashes = 0;
      while (end - backslashes > start && text.charCodeAt(end - 1 - backslashes) === BACKSLASH) {
        backslashes++;
      }
      const escapes = backslashes % 2 === 1;
      this.#inString = quote < 0 || escapes;
      this.#escaped = quote < 0 && escapes;
      if (quote < 0) return text.length;
      if (!escapes) return quote + 1;
      start = quote + 1;
    }
  }

  #open(): void {
    this.#containers++;
    this.#depth++;
    if (this.#depth > this.#limits.maxDepth) this.#refuse('is nested too deeply.');
  }

  #refuse(how: string): never {
    throw new HoldfastError('invalid_request', `${this.#what} ${how}`, this.#at);
  }
}

/** The value of `text`. Throws `invalid_request` beyond `JSON_LIMITS`, and for what is no JSON. */
export function parseJson(text: string, what = 'The text', field?: string): unknown {
  const options = field === undefined ? {} : { field };
  new JsonScanner(what, options).push(text);
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    const detail = `${what} is not valid JSON.`;
    throw new HoldfastError('invalid_request', detail, { ...options, cause });
  }
}

/**
 * Throws for a value nested deeper than `JSON_LIMITS` allow: for small JSON that a library has
 * parsed. Later steps (checks, copies, writing it as JSON again) recurse and would overflow the
 * stack.
 */
export function assertShallow(value: unknown, field?: string): void {
  let level = [value].filter(isObject);
  for (let depth = 0; level.length > 0; depth++) {
    if (depth === JSON_LIMITS.maxDepth) {
      const what = field ?? 'The body';
      throw new HoldfastError('invalid_request', `${what} is nested too deeply.`, {
        ...(field !== undefined && { field }),
      });
    }
    level = level.flatMap(one => Object.values(one)).filter(isObject);
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/**
 * Seeded randomness. One seed gives one sequence of ids, tones and rates, so that a run can be
 * replayed. Client secrets come from here too and can therefore be guessed: this process guards
 * nothing.
 */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const ID_LENGTH = 21;

/** FNV-1a, to turn any text into a starting state. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}

/** The mulberry32 generator: 32 bits of state, good enough for names and tones. */
export class Random {
  readonly #seed: string;
  #state: number;

  constructor(seed: string) {
    this.#seed = seed;
    this.#state = hashText(seed);
  }

  /** A number in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer in [0, below). */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  /** A generator of its own that depends only on this seed and `label`. */
  fork(label: string): Random {
    return new Random(`${this.#seed}/${label}`);
  }

  /** An id in the provider's style, such as `item_C9G8PQwWTu4PSBgFEWmIn`. */
  id(prefix: string, length = ID_LENGTH): string {
    let text = '';
    for (let index = 0; index < length; index++) text += ALPHABET[this.below(ALPHABET.length)];
    return `${prefix}_${text}`;
  }
}

/** Ids for events: unique, deterministic, and cheap enough for thousands a second. */
export class EventIds {
  readonly #prefix: string;
  #count = 0;

  constructor(random: Random) {
    this.#prefix = random.id('event', 12);
  }

  next(): string {
    this.#count += 1;
    return this.#prefix + this.#count.toString(36).padStart(9, '0');
  }
}

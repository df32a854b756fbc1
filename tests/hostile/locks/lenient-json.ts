/**
 * A JSON parser that takes everything that some parser somewhere takes: byte order marks, comments,
 * missing and trailing commas, single quotes, bare words, raw controls, unknown escapes, missing
 * ends, several values in one text. Objects keep every member, also several of one name.
 */
export type Lenient = string | number | boolean | null | Lenient[] | Members;

export class Members {
  readonly entries: [key: string, value: Lenient][] = [];
}

/** All values in `text`. */
export function readLenient(text: string): Lenient[] {
  const reader = new Reader(text);
  const values: Lenient[] = [];
  for (;;) {
    reader.skip();
    if (reader.ended) return values;
    values.push(reader.value());
  }
}

const SKIPPED = /[\s\p{Cc}\ufeff,;]/u;
const ENDS_WORD = /[\s\p{Cc},;:=[\]{}"'/#]/u;
const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };
const WORDS: Readonly<Record<string, Lenient>> = { true: true, false: false, null: null };

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get ended(): boolean {
    return this.#at >= this.#text.length;
  }

  skip(): void {
    while (!this.ended) {
      if (SKIPPED.test(this.#text[this.#at]!)) this.#at++;
      else if (this.#text.startsWith('/*', this.#at)) this.#past('*/');
      else if (this.#text.startsWith('//', this.#at) || this.#text[this.#at] === '#') {
        this.#past('\n');
      } else return;
    }
  }

  #past(end: string): void {
    const found = this.#text.indexOf(end, this.#at + 1);
    this.#at = found < 0 ? this.#text.length : found + end.length;
  }

  value(): Lenient {
    const char = this.#text[this.#at]!;
    if (char === '{') return this.#object();
    if (char === '[') return this.#array();
    if (char === '"' || char === "'") return this.#string(char);
    const word = this.#word();
    const number = Number(word);
    return Object.hasOwn(WORDS, word) ? WORDS[word]! : Number.isNaN(number) ? word : number;
  }

  #object(): Members {
    const members = new Members();
    this.#at++;
    for (;;) {
      this.skip();
      if (this.ended) return members;
      if (this.#text[this.#at] === '}') {
        this.#at++;
        return members;
      }
      const char = this.#text[this.#at]!;
      const key = char === '"' || char === "'" ? this.#string(char) : this.#word();
      this.skip();
      if (this.#text[this.#at] === ':' || this.#text[this.#at] === '=') this.#at++;
      this.skip();
      members.entries.push([key, this.ended ? null : this.value()]);
    }
  }

  #array(): Lenient[] {
    const elements: Lenient[] = [];
    this.#at++;
    for (;;) {
      this.skip();
      if (this.ended) return elements;
      if (this.#text[this.#at] === ']') {
        this.#at++;
        return elements;
      }
      elements.push(this.value());
    }
  }

  #string(quote: string): string {
    let value = '';
    for (this.#at++; !this.ended; this.#at++) {
      const char = this.#text[this.#at]!;
      if (char === quote) {
        this.#at++;
        break;
      }
      value += char === '\\' ? this.#escape() : char;
    }
    return value;
  }

  /** Leaves off at the last character of the escape. */
  #escape(): string {
    const char = this.#text[++this.#at] ?? '';
    const digits = { u: 4, x: 2 }[char];
    if (digits === undefined) return ESCAPES[char] ?? char;
    const code = this.#text.slice(this.#at + 1, this.#at + 1 + digits);
    if (!/^[0-9a-f]+$/i.test(code)) return char;
    this.#at += code.length;
    return String.fromCharCode(Number.parseInt(code, 16));
  }

  /** At least one character, so that reading goes on. */
  #word(): string {
    const from = this.#at++;
    while (!this.ended && !ENDS_WORD.test(this.#text[this.#at]!)) this.#at++;
    return this.#text.slice(from, this.#at);
  }
}

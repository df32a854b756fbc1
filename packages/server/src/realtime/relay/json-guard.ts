/**
 * Finds keys that some parser takes for the same in one object. Parsers differ in which of two they
 * keep, and many compare without regard to case (Go's and .NET's), so a text with such keys means
 * different things to a filter and to the upstream behind it.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COLON = 0x3a;
const isSpace = (code: number) => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;

/** Characters of keys beyond ASCII that are compared in one text; folding makes them many more. */
export const FOLDED_MAX_CHARS = 65_536;

/**
 * The first key of an object of `json` that another one before it equals, or `null`. Compared after
 * decoding escapes and folding; the key with which `FOLDED_MAX_CHARS` are exceeded counts as equal.
 * `json` must be valid JSON (parse it first): it is walked, not checked.
 */
export function duplicateKey(json: string): string | null {
  // One entry per open container: the keys seen of an object, null for an array.
  const open: (Set<string> | null)[] = [];
  let foldedChars = 0;
  let at = 0;
  while (at < json.length) {
    const code = json.charCodeAt(at);
    if (code === OPEN_BRACE) open.push(new Set());
    else if (code === OPEN_BRACKET) open.push(null);
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) open.pop();
    else if (code === QUOTE) {
      const end = stringEnd(json, at);
      if (isKey(json, end)) {
        const key = JSON.parse(json.slice(at, end)) as string;
        const keys = open.at(-1)!;
        if (!PRINTABLE_ASCII.test(key)) foldedChars += key.length;
        if (foldedChars > FOLDED_MAX_CHARS) return key;
        const folded = fold(key);
        if (keys.has(folded)) return key;
        keys.add(folded);
      }
      at = end - 1;
    }
    at++;
  }
  return null;
}

const PRINTABLE_ASCII = /^[ -~]*$/;
/** What some comparisons skip: joiners, soft hyphens, controls; and the dot of a capital i. */
const IGNORED = /[\p{Default_Ignorable_Code_Point}\p{Cc}]|\u0307/gu;

/**
 * The same for all keys that a parser could take for each other: other case (also the long s, the
 * Kelvin sign and the dotless i), compatibility forms such as full-width letters, invisible
 * characters. Errs towards the same.
 */
export function fold(key: string): string {
  if (PRINTABLE_ASCII.test(key)) return key.toLowerCase();
  const plain = key.normalize('NFKD').replace(IGNORED, '');
  return plain.toLowerCase().toUpperCase().toLowerCase().normalize('NFKC');
}

/** The index after the closing quote of the string that opens at `at`. */
function stringEnd(json: string, at: number): number {
  let end = json.indexOf('"', at + 1);
  while (escaped(json, end)) end = json.indexOf('"', end + 1);
  return end + 1;
}

function escaped(json: string, quoteAt: number): boolean {
  let backslashes = 0;
  while (json.charCodeAt(quoteAt - 1 - backslashes) === BACKSLASH) backslashes++;
  return backslashes % 2 === 1;
}

function isKey(json: string, after: number): boolean {
  let at = after;
  while (isSpace(json.charCodeAt(at))) at++;
  return json.charCodeAt(at) === COLON;
}

/** Values that break programs, and valid documents with one thing wrong in them. */
import fc from 'fast-check';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const DEEP = 20_000;

/** Texts of which each has broken something somewhere. */
export const nastyText: fc.Arbitrary<string> = fc.oneof(
  // What JSON can say and a database cannot hold: U+0000, halves of a pair.
  fc.constantFrom('\u0000', 'a\u0000b', '\ud800', '\udfff\ud800'),
  fc.constantFrom(
    ...['', ' ', '0', '-1', 'null', 'undefined', 'NaN', 'true', '1e309', '-0', '0x10', '９'],
    ...['9007199254740993', '99999999999999999999', '1.5', '+1', '1_000', '..', '../../etc/passwd'],
    ...['%00', '%2e%2e%2f', '%zz', '\u202egnp'],
    ...["'; --", '" or 1=1', '{{7*7}}', '<script>', '\r\nx-injected: 1', '__proto__'],
    ...['constructor', 'toString', 'ﷺ', '👩‍👩‍👧‍👦', 'İ', 'ß', 'x'.repeat(201), 'x'.repeat(5000)],
    ...['2026-11-22T10:00:00Z', '2026-13-45T99:99:99Z', '+010000-01-01T00:00:00Z', 'gpt-realtime'],
  ),
  fc.oneof(
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.string({ unit: 'grapheme', maxLength: 12 }),
  ),
);

const nastyNumber = fc.oneof(
  fc.constantFrom(0, -0, -1, 1, 1.5, 1e21, 1e308, -1e308, 5e-324, 2 ** 31, 2 ** 53, 2 ** 63),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
);

export const nastyJson: fc.Arbitrary<Json> = fc.oneof(
  { weight: 7, arbitrary: nastyText },
  { weight: 3, arbitrary: nastyNumber },
  { weight: 2, arbitrary: fc.constantFrom<Json[]>(null, true, false, [], {}, [[]], [null]) },
  { weight: 2, arbitrary: fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json> },
  { weight: 1, arbitrary: fc.array(nastyText, { maxLength: 300 }) },
  { weight: 1, arbitrary: fc.dictionary(nastyText, nastyText, { maxKeys: 8 }) },
);

/** Bodies that are no JSON, or JSON of a shape that hurts. */
export const jsonBomb: fc.Arbitrary<string> = fc.constantFrom(
  '[',
  '{"a":',
  '{"a":1}}',
  '\ufeff{}',
  '{"a":1,"a":2}',
  '{"__proto__":{"role":"Admin"}}',
  '{"constructor":{"prototype":{"role":"Admin"}}}',
  '['.repeat(DEEP),
  '['.repeat(DEEP) + ']'.repeat(DEEP),
  `${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}`,
  `{"session":${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}}`,
  `{"tools":[${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}]}`,
  `{"name":"x","seconds":${'9'.repeat(DEEP)}}`,
  `[${'{},'.repeat(DEEP)}{}]`,
  `{${Array.from({ length: DEEP }, (_, at) => `"k${at}":1`).join()}}`,
  `"${'\\ud800'.repeat(1000)}"`,
  ' '.repeat(DEEP),
);

type Path = readonly (string | number)[];
type Act = 'replace' | 'remove' | 'add' | 'wrap';

/** The document with one place of it replaced, removed, wrapped, or with something added. */
export function mutated(document: Json): fc.Arbitrary<Json> {
  const places = pathsOf(document);
  return fc
    .record({
      path: fc.constantFrom(...places),
      act: fc.constantFrom<Act[]>('replace', 'replace', 'replace', 'remove', 'add', 'wrap'),
      key: nastyText,
      value: nastyJson,
    })
    .map(({ path, act, key, value }) => {
      const next = (at: Json): Json | undefined => {
        if (act === 'remove') return undefined;
        if (act === 'wrap') return [at];
        if (act === 'add' && typeof at === 'object' && at !== null) {
          return Array.isArray(at) ? [...at, value] : { ...at, [key]: value };
        }
        return value;
      };
      return changed(document, path, next) ?? null;
    });
}

function pathsOf(value: Json, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, at]) => pathsOf(at, [...path, key]))];
}

function changed(
  value: Json,
  [key, ...rest]: Path,
  next: (at: Json) => Json | undefined,
): Json | undefined {
  if (key === undefined || typeof value !== 'object' || value === null) return next(value);
  const entries = Object.entries(value).flatMap(([name, at]) => {
    const after = name === key ? changed(at, rest, next) : at;
    return after === undefined ? [] : [[name, after] as const];
  });
  return Array.isArray(value) ? entries.map(([, at]) => at) : Object.fromEntries(entries);
}

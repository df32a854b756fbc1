import type { Random } from '../../../packages/server/src/realtime/relay/fuzz-streams.ts';

/** JSON that is dear to parse: some at the bounds of what is taken, some far beyond. */
type Shape = (sizeBytes: number, random: Random) => string;

function filled(unit: (n: number) => string, sizeBytes: number, [open, close]: [string, string]) {
  const parts: string[] = [];
  for (let length = 2; length < sizeBytes; length += parts.at(-1)!.length + 1) {
    parts.push(unit(parts.length));
  }
  return `${open}${parts.join(',')}${close}`;
}

const nested = (sizeBytes: number, [open, close]: [string, string]) => {
  const depth = Math.floor(sizeBytes / (open.length + close.length + 1));
  return `${open.repeat(depth)}1${close.repeat(depth)}`;
};

const SHAPES: Readonly<Record<string, Shape>> = {
  'empty arrays': size => filled(() => '[]', size, ['[', ']']),
  'empty objects': size => filled(() => '{}', size, ['[', ']']),
  'objects that are all different': size => filled(n => `{"k${n}":1}`, size, ['[', ']']),
  'keys of one object': (size, random) =>
    filled(n => `"${n}-${random.below(1e9)}":0`, size, ['{', '}']),
  'numbers as keys': size => filled(n => `"${(n * 7919) % 4_294_967_291}":0`, size, ['{', '}']),
  digits: size => '7'.repeat(size),
  numbers: (size, random) =>
    filled(() => `${random.below(1e9)}e-${random.below(300)}`, size, ['[', ']']),
  'arrays in arrays': size => nested(size, ['[', ']']),
  'objects in objects': size => nested(size, ['{"a":', '}']),
  'a string of escapes': size => `"${'\\u0041'.repeat(size / 6)}"`,
  'a string of quotes': size => `"${'\\"'.repeat(size / 2)}"`,
  'a string of backslashes': size => `"${'\\\\'.repeat(size / 2)}"`,
  'a string of three-byte characters': size => `"${'語'.repeat(size / 3)}"`,
  'a string without an end': size => `"${'a'.repeat(size)}`,
  spaces: size => `1${' '.repeat(size)}`,
};

/** As many arrays, or members, as are taken, and not one more. */
const FULL: Readonly<Record<string, () => string>> = {
  'the most objects': () => filled(n => `{"k${n}":1}`, 49_000 * 11, ['[', ']']),
  'the most members': () => filled(n => `"${n}":0`, 95_000 * 9, ['{', '}']),
};

/** What froze whole servers; never left out. */
const ALWAYS = ['empty arrays', 'objects that are all different'];

/**
 * Texts of about that size, with their names: `count` kinds by chance besides those that are never
 * left out, and those at the bounds where they fit.
 */
export function* hostileJson(
  random: Random,
  sizeBytes: number,
  count = Number.POSITIVE_INFINITY,
): Generator<[string, string]> {
  const others = Object.keys(SHAPES).filter(name => !ALWAYS.includes(name));
  const drawn: string[] = [];
  while (drawn.length < count && others.length > 0) {
    drawn.push(...others.splice(random.below(others.length), 1));
  }
  for (const name of [...ALWAYS, ...drawn]) {
    yield [`${name}, ${sizeBytes} bytes`, SHAPES[name]!(sizeBytes, random)];
  }
  for (const [name, make] of Object.entries(FULL)) {
    const text = make();
    if (text.length <= sizeBytes) yield [name, text];
  }
}

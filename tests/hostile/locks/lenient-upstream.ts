import { isDeepStrictEqual } from 'node:util';
import { type Lenient, Members, readLenient } from './lenient-json.ts';

/**
 * An upstream that understands whatever it can: it reads any text that resembles JSON, folds names,
 * takes the first or the last of several, takes flat and nested fields, batches of events, dotted
 * names, and one object for a list. It answers which locked parts a message would change.
 */
interface Dialect {
  readonly name: string;
  readonly fold: (name: string) => string;
  readonly isFirstWins: boolean;
}

const FOLDS: readonly [string, Dialect['fold']][] = [
  ['exact', name => name],
  ['ignoring case', name => name.toLowerCase()],
  ['ignoring case of all letters', unicodeFold],
  ['ignoring case and marks', name => unicodeFold(name).replace(/[^a-z0-9.]/g, '')],
];
const DIALECTS: readonly Dialect[] = FOLDS.flatMap(([name, fold]) =>
  [true, false].map(isFirstWins => ({
    name: `${name}, ${isFirstWins ? 'first' : 'last'} wins`,
    fold,
    isFirstWins,
  })),
);

function unicodeFold(name: string): string {
  const visible = name.normalize('NFKD').replace(/[\p{Mn}\p{Cf}\p{Cc}]/gu, '');
  return visible.toUpperCase().toLowerCase();
}

const PATHS: Readonly<Record<string, readonly string[][]>> = {
  instructions: [['instructions'], ['prompt']],
  tools: [['tools'], ['tool_choice'], ['prompt']],
  voice: [['audio', 'output', 'voice'], ['voice']],
  model: [['model']],
  turn_detection: [['audio', 'input', 'turn_detection'], ['turn_detection']],
};
const FREE_IN_RESPONSE = ['conversation', 'metadata', 'input'];

export interface Fixed {
  readonly config: Readonly<Record<string, unknown>>;
  readonly locked: readonly string[];
}

/** What of `fixed` the message changes, as `part (dialect)`; empty when nothing. */
export function effectsOf(text: string, fixed: Fixed): string[] {
  const [config] = readLenient(JSON.stringify(fixed.config));
  const events = readLenient(text).flat(2);
  const effects = new Set<string>();
  for (const dialect of DIALECTS) {
    const session = new Session(dialect, config!, fixed.locked);
    for (const event of events) {
      for (const part of session.changedBy(event)) effects.add(`${part} (${dialect.name})`);
    }
  }
  return [...effects];
}

class Session {
  readonly #dialect: Dialect;
  readonly #config: Lenient;
  readonly #locked: readonly string[];

  constructor(dialect: Dialect, config: Lenient, locked: readonly string[]) {
    this.#dialect = dialect;
    this.#config = config;
    this.#locked = locked;
  }

  *changedBy(event: Lenient): Generator<string> {
    const { fold } = this.#dialect;
    const named = this.#get(event, 'type');
    const type = typeof named === 'string' ? fold(named).trim() : '';
    if (type.endsWith(fold('session.update'))) {
      yield* this.#configured(this.#get(event, 'session'), []);
      yield* this.#flat(event);
    }
    if (type === fold('response.create')) {
      const response = this.#get(event, 'response');
      yield* this.#configured(response, FREE_IN_RESPONSE);
      for (const item of listOf(this.#get(response, 'input'))) yield* this.#changedByItem(item);
    }
    if (type === fold('conversation.item.create')) {
      for (const item of listOf(this.#get(event, 'item'))) yield* this.#changedByItem(item);
    }
  }

  *#configured(value: Lenient | undefined, free: readonly string[]): Generator<string> {
    if (value === null) return free.length === 0 ? yield 'everything' : undefined;
    for (const object of listOf(value)) {
      yield* this.#flat(object);
      if (!this.#locked.includes('all') || !(object instanceof Members)) continue;
      for (const [key, given] of object.entries) {
        const isFree = free.some(name => this.#dialect.fold(name) === this.#dialect.fold(key));
        if (!isFree && !this.#equals(given, this.#get(this.#config, key))) yield `all: ${key}`;
      }
    }
  }

  *#flat(object: Lenient | undefined): Generator<string> {
    const parts = this.#locked.includes('all') ? Object.keys(PATHS) : this.#locked;
    for (const part of parts) {
      for (const path of PATHS[part] ?? []) {
        const dotted = path.join('.');
        const given = [
          this.#follow(object, path),
          this.#get(object, dotted),
          this.#get(object, `session.${dotted}`),
        ].filter(value => value !== undefined);
        const wanted = this.#follow(this.#config, path);
        if (given.some(value => !this.#equals(value!, wanted))) yield part;
      }
    }
  }

  *#changedByItem(item: Lenient): Generator<string> {
    const { fold } = this.#dialect;
    const locks = (part: string) => this.#locked.includes(part) || this.#locked.includes('all');
    const word = (name: string) => {
      const value = this.#get(item, name);
      return typeof value === 'string' ? fold(value).trim() : value;
    };
    const role = word('role');
    if (locks('instructions') && [fold('system'), fold('developer')].includes(role as string)) {
      yield 'instructions, by an item';
    }
    const lists = word('type') === fold('mcp_list_tools') || word('tools') !== undefined;
    if (lists && locks('tools')) yield 'tools, by an item';
  }

  /** The member of that name; undefined where there is none. */
  #get(value: Lenient | undefined, name: string): Lenient | undefined {
    if (!(value instanceof Members)) return undefined;
    const { fold, isFirstWins } = this.#dialect;
    const wanted = fold(name);
    const found = ([key]: [string, Lenient]) => fold(key) === wanted;
    return (isFirstWins ? value.entries.find(found) : value.entries.findLast(found))?.[1];
  }

  /** What stands at `path`. `null` above it resets it. */
  #follow(value: Lenient | undefined, path: readonly string[]): Lenient | undefined {
    let found = value;
    for (const name of path) {
      if (found === null) return null;
      found = this.#get(found, name);
    }
    return found;
  }

  #equals(one: Lenient, other: Lenient | undefined): boolean {
    return other !== undefined && isDeepStrictEqual(this.#plain(one), this.#plain(other));
  }

  #plain(value: Lenient): unknown {
    if (Array.isArray(value)) return value.map(element => this.#plain(element));
    if (!(value instanceof Members)) return value;
    const plain = new Map<string, unknown>();
    for (const [key] of value.entries) {
      plain.set(this.#dialect.fold(key), this.#plain(this.#get(value, key)!));
    }
    return plain;
  }
}

/** The objects that a list holds, or the one that stands in its place. */
function listOf(value: Lenient | undefined): Members[] {
  const list = Array.isArray(value) ? value.flat() : [value];
  return list.filter(element => element instanceof Members);
}

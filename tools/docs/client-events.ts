import { createRequire } from 'node:module';
import type { Node } from '../tidy/syntax.ts';
import { nameOf, type Scope, Typings } from './typings.ts';

/**
 * What a stock client can send, read from the typings of `openai`: for each type of session and
 * event the paths of its fields. `known-event.ts` documents their form and reads them.
 */
interface Listing {
  readonly roots: readonly string[];
  /** Would turn a session into one of another type. */
  readonly leftOut?: string;
}

export const LISTINGS = {
  'client-events.json': {
    roots: ['RealtimeClientEvent', 'ResponseCreateEventWithReferencesParam'],
    leftOut: 'RealtimeTranscriptionSessionCreateRequest',
  },
  // What a transcription has no use for is not on its list: it would ask a model to speak.
  'transcription-events.json': {
    roots: [
      'SessionUpdateEvent',
      'InputAudioBufferAppendEvent',
      'InputAudioBufferClearEvent',
      'InputAudioBufferCommitEvent',
    ],
    leftOut: 'RealtimeSessionCreateRequest',
  },
  'translation-events.json': { roots: ['RealtimeTranslationClientEvent'] },
} as const satisfies Record<string, Listing>;

/** Their values decide how the fields beside them are read, so they are part of the list. */
const TELLING = /(^|\.)(type|role)$/;
/** The width at which Biome breaks lines. */
const LINE_MAX_CHARS = 100;

/** What may stand at one path. */
interface Place {
  /** Strings that the typings allow; empty when there are others too, or other values. */
  readonly literals: Set<string>;
  isOpen: boolean;
  isAny: boolean;
}
export type Places = Map<string, Place>;

/** The JSON text of one listing. */
export function renderClientEvents(listing: Listing): string {
  const listed = listEvents('openai/resources/realtime/realtime', listing);
  const events = [...listed].sort(([a], [b]) => (a < b ? -1 : 1));
  const entries = events.map(([type, places]) => renderEvent(type, places));
  return `{\n${entries.join(',\n')}\n}\n`;
}

/** The events that a module of a client's typings declares, and where their fields stand. */
export function listEvents(module: string, listing: Listing): ReadonlyMap<string, Places> {
  const walk = new Walk(declarationsOf(module), listing.leftOut);
  for (const root of listing.roots) walk.root(root);
  return walk.events;
}

/** The fields of one declared type. */
export function listFields(module: string, name: string): Places {
  return new Walk(declarationsOf(module), undefined).fields(name);
}

function declarationsOf(module: string): string {
  return createRequire(import.meta.url)
    .resolve(module)
    .replace(/\.m?js$/, '.d.ts');
}

function renderEvent(type: string, places: Places): string {
  const paths = [...places]
    .filter(([path]) => path !== 'type')
    .map(([path, place]) => JSON.stringify(`${path}${suffix(path, place)}`))
    .sort();
  const line = `  ${JSON.stringify(type)}: [${paths.join(', ')}]`;
  if (line.length < LINE_MAX_CHARS) return line;
  return `  ${JSON.stringify(type)}: [\n${paths.map(path => `    ${path}`).join(',\n')}\n  ]`;
}

function suffix(path: string, { literals, isOpen, isAny }: Place): string {
  if (isAny) return '=*';
  if (isOpen || !TELLING.test(path)) return '';
  return `=${[...literals].sort().join('|')}`;
}

class Walk {
  readonly events = new Map<string, Places>();
  readonly #typings = new Typings();
  readonly #scope: Scope;
  readonly #leftOut: string | undefined;
  #places: Places = new Map();

  constructor(file: string, leftOut: string | undefined) {
    this.#leftOut = leftOut;
    this.#scope = this.#typings.file(file);
  }

  root(name: string): void {
    const node = this.#scope.types.get(name);
    if (node === undefined) throw new Error(`${this.#scope.file} declares no ${name}`);
    const isUnion = node.type === 'TSTypeAliasDeclaration';
    const parts = isUnion ? ((node.typeAnnotation as Node).types as Node[]) : [];
    for (const part of parts) {
      const { node: event, scope } = this.#typings.resolve(part.typeName as Node, this.#scope);
      this.#event(event, scope);
    }
    if (!isUnion) this.#event(node, this.#scope);
  }

  fields(name: string): Places {
    const node = this.#scope.types.get(name);
    if (node === undefined) throw new Error(`${this.#scope.file} declares no ${name}`);
    this.#places = new Map();
    this.#declared(node, this.#scope, '');
    return this.#places;
  }

  #event(node: Node, scope: Scope): void {
    this.#places = new Map();
    this.#declared(node, scope, '');
    const [type] = this.#places.get('type')!.literals;
    const known = this.events.get(type!) ?? new Map<string, Place>();
    for (const [path, place] of this.#places) known.set(path, merged(known.get(path), place));
    this.events.set(type!, known);
  }

  #declared(node: Node, scope: Scope, path: string): void {
    if (node.type === 'TSTypeAliasDeclaration') {
      this.#type(node.typeAnnotation as Node, scope, path);
      return;
    }
    for (const { expression } of node.extends as Node[]) {
      const { node: base, scope: there } = this.#typings.resolve(expression as Node, scope);
      this.#declared(base, there, path);
    }
    this.#members((node.body as { body: Node[] }).body, scope, path);
  }

  #members(members: readonly Node[], scope: Scope, path: string): void {
    for (const member of members) {
      if (member.type === 'TSIndexSignature') {
        this.#place(path).isAny = true;
        continue;
      }
      if (member.type !== 'TSPropertySignature') throw new Error(`${path}: ${member.type}`);
      const annotation = (member.typeAnnotation as { typeAnnotation: Node }).typeAnnotation;
      const name = nameOf(member.key);
      this.#type(annotation, scope, path === '' ? name : `${path}.${name}`);
    }
  }

  #type(node: Node, scope: Scope, path: string): void {
    switch (node.type) {
      case 'TSUnionType':
        for (const part of node.types as Node[]) this.#type(part, scope, path);
        break;
      case 'TSParenthesizedType':
        this.#type(node.typeAnnotation as Node, scope, path);
        break;
      case 'TSTypeReference':
        this.#reference(node, scope, path);
        break;
      case 'TSTypeLiteral':
        this.#members(node.members as Node[], scope, path);
        break;
      case 'TSLiteralType':
        this.#place(path).literals.add(String((node.literal as { value: unknown }).value));
        break;
      case 'TSUnknownKeyword':
        this.#place(path).isAny = true;
        break;
      case 'TSNullKeyword':
        break;
      // `string & {}` is how a list of literals is left open.
      case 'TSIntersectionType':
      case 'TSStringKeyword':
      case 'TSNumberKeyword':
      case 'TSBooleanKeyword':
        this.#place(path).isOpen = true;
        break;
      default:
        throw new Error(`${path}: ${node.type} is not understood`);
    }
  }

  #reference(node: Node, scope: Scope, path: string): void {
    const reference = node.typeName as Node;
    const name = reference.type === 'Identifier' ? nameOf(reference) : '';
    if (name === 'Array') {
      const [element] = (node.typeArguments as { params: Node[] }).params;
      this.#type(element!, scope, `${path}[]`);
    } else if (name !== this.#leftOut) {
      const { node: declared, scope: there } = this.#typings.resolve(reference, scope);
      this.#declared(declared, there, path);
    }
  }

  #place(path: string): Place {
    const known = this.#places.get(path);
    if (known !== undefined) return known;
    const fresh = { literals: new Set<string>(), isOpen: false, isAny: false };
    this.#places.set(path, fresh);
    return fresh;
  }
}

function merged(one: Place | undefined, other: Place): Place {
  return {
    literals: new Set([...(one?.literals ?? []), ...other.literals]),
    isOpen: (one?.isOpen ?? false) || other.isOpen,
    isAny: (one?.isAny ?? false) || other.isAny,
  };
}

import { isDeepStrictEqual } from 'node:util';
import type { SessionType } from '@holdfast/protocol';
import type { KnownEvents } from './known-event.ts';
import { isObject, type Json } from './preview/session.ts';
import { errorEvent, type FilterVerdict } from './relay/index.ts';
import { typeOf } from './session-type.ts';

/**
 * The configuration of a session: what is sent upstream before the client's first event, and which
 * parts of it a client secret has locked.
 *
 * With any part locked, only events and fields that are known by their exact names may pass
 * (`known-event.ts`), so that the filter and any upstream, however lenient, understand the same.
 * The relay hands over only valid JSON without keys that some upstream could take for one.
 *
 * A locked part may be repeated as it is, but not changed: an event that would is refused by name.
 * Locked instructions also refuse system items, which instruct just as well, and prompt templates,
 * which bring instructions and tools of their own. Locked tools also refuse items that list tools.
 */
const LOCKABLE = ['instructions', 'tools', 'voice', 'model', 'turn_detection', 'all'] as const;
type Lockable = (typeof LOCKABLE)[number];

type Paths = Readonly<Partial<Record<Lockable, readonly (readonly string[])[]>>>;

/** Where each lockable part stands in a GA session or response object, by the session's type. */
const PATHS: Readonly<Record<SessionType, Paths>> = {
  realtime: {
    instructions: [['instructions'], ['prompt']],
    tools: [['tools'], ['tool_choice'], ['prompt']],
    voice: [['audio', 'output', 'voice'], ['voice']],
    model: [['model']],
    turn_detection: [['audio', 'input', 'turn_detection'], ['turn_detection']],
  },
  transcription: {
    // With its prompt, which instructs.
    model: [['model'], ['audio', 'input', 'transcription']],
    turn_detection: [['audio', 'input', 'turn_detection'], ['turn_detection']],
  },
  translation: { model: [['model']] },
};

/** The parts that a session of that type has; `all` is everything. */
export function lockableIn(type: SessionType): readonly string[] {
  return [...Object.keys(PATHS[type]), 'all'];
}

function pathsOf({ config }: Locks, part: string): readonly (readonly string[])[] {
  return PATHS[typeOf(config)][part as Lockable] ?? [];
}

/** What a response may still set when everything is locked. */
const HARMLESS_IN_RESPONSE: ReadonlySet<string> = new Set(['conversation', 'metadata', 'input']);

/** The first event to the upstream, or null where there is nothing to configure. */
export function configurationEvent(config: Json, eventId: string): string | null {
  const { model: _model, type: _type, ...session } = config;
  if (Object.keys(session).length === 0) return null;
  return JSON.stringify({ ...updateTo(config), event_id: eventId });
}

/** The client event that sets a configuration. A translation's session has no type in it. */
export function updateTo(config: Json): Json {
  const { model: _model, type: _type, ...session } = config;
  const type = typeOf(config);
  return {
    type: 'session.update',
    session: type === 'translation' ? session : { ...session, type },
  };
}

/** What is fixed for a session (GA shape), and which of its parts stay so. */
export interface Locks {
  readonly config: Json;
  readonly locked: readonly string[];
}

/** The relay's filter for a session with locked parts; undefined where none is. */
export function lockFilter(
  locks: Locks,
  known: KnownEvents,
): ((text: string) => FilterVerdict) | undefined {
  if (locks.locked.length === 0) return undefined;
  return text => {
    const event = JSON.parse(text) as unknown;
    const unknown = known.unknownPart(event, typeOf(locks.config));
    if (unknown !== undefined) {
      const message =
        `${unknown} is not known. While parts of a session are locked, only the events and ` +
        'fields of the stock clients may pass, and those that the operator has added.';
      return { refuse: refusal('unknown_parameter', unknown, message, event) };
    }
    const param = lockedParam(event as Json, locks);
    if (param === undefined) return { forward: text };
    const message = `${param} is fixed for this session and cannot be changed.`;
    return { refuse: refusal('locked_configuration', param, message, event) };
  };
}

function refusal(code: string, param: string, message: string, event: unknown): string {
  const eventId = isObject(event) ? event.event_id : undefined;
  return errorEvent({ type: 'invalid_request_error', code, message, param, eventId });
}

/** The name of the locked part that `event` would change, if any; whatever its type. */
export function lockedParam(event: Json, locks: Locks): string | undefined {
  const { session, response, item } = event;
  if (session === null) return 'session';
  return (
    changed('session', session, locks) ??
    changedByInput(response, locks) ??
    changed('response', response, locks) ??
    changedByItem('item', item, locks)
  );
}

function changedByInput(response: unknown, locks: Locks): string | undefined {
  const input = isObject(response) ? response.input : undefined;
  if (!Array.isArray(input)) return undefined;
  for (const item of input) {
    const param = changedByItem('response.input', item, locks);
    if (param !== undefined) return param;
  }
  return undefined;
}

function changedByItem(name: string, item: unknown, locks: Locks): string | undefined {
  if (!isObject(item)) return undefined;
  const { role, type, tools } = item;
  const instructs = role !== undefined && role !== 'user' && role !== 'assistant';
  if (instructs && isLocked(locks, 'instructions')) return `${name}.role`;
  const listsTools = tools !== undefined || type === 'mcp_list_tools';
  if (listsTools && isLocked(locks, 'tools')) return `${name}.tools`;
  return undefined;
}

function isLocked({ locked }: Locks, part: Lockable): boolean {
  return locked.includes(part) || locked.includes('all');
}

function changed(name: 'session' | 'response', value: unknown, locks: Locks): string | undefined {
  if (!isObject(value)) return undefined;
  const { config, locked } = locks;
  if (locked.includes('all')) {
    const key = Object.keys(value).find(
      key =>
        !(name === 'response' && HARMLESS_IN_RESPONSE.has(key)) &&
        !isDeepStrictEqual(value[key], config[key]),
    );
    return key === undefined ? undefined : `${name}.${key}`;
  }
  for (const part of locked) {
    for (const path of pathsOf(locks, part)) {
      const blocked = blockedAt(value, path);
      if (blocked !== undefined) return `${name}.${blocked}`;
      const wanted = at(value, path);
      if (wanted !== undefined && !isDeepStrictEqual(wanted, at(config, path))) {
        return `${name}.${path.join('.')}`;
      }
    }
  }
  return undefined;
}

function at(value: unknown, path: readonly string[]): unknown {
  let found = value;
  for (const name of path) found = isObject(found) ? found[name] : undefined;
  return found;
}

/**
 * Where something that is no object stands in the way to a locked part, if anywhere. An upstream
 * may take `audio: null` as an order to reset everything below.
 */
function blockedAt(value: unknown, path: readonly string[]): string | undefined {
  for (let length = 1; length < path.length; length++) {
    const stem = path.slice(0, length);
    const found = at(value, stem);
    if (found === undefined) return undefined;
    if (!isObject(found)) return stem.join('.');
  }
  return undefined;
}

/**
 * Whether a WebRTC client, whose data channel bypasses us, has changed a locked part. `now` is the
 * provider's session object; a part that was fixed must still hold what was fixed (the provider may
 * add to it), one that was left open what it held in `first`.
 */
export function lockBroken(
  locks: Locks,
  { first, now }: { readonly first: Json; readonly now: Json },
): boolean {
  const { config, locked } = locks;
  const parts = locked.includes('all') ? LOCKABLE : locked;
  const paths = parts.flatMap(part => pathsOf(locks, part));
  return paths.some(path => {
    if (path[0] === 'model') return false;
    const fixed = at(config, path);
    const found = at(now, path);
    return fixed === undefined
      ? !isDeepStrictEqual(at(first, path), found)
      : !includes(found, fixed);
  });
}

/** What a provider need not repeat of a tool: the credentials for its server. */
const UNREPEATED: ReadonlySet<string> = new Set(['authorization', 'headers']);

/** Whether `found` holds everything that `wanted` holds. */
function includes(found: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(found) &&
      found.length === wanted.length &&
      wanted.every((value, index) => includes(found[index], value))
    );
  }
  if (typeof found === 'number' && typeof wanted === 'number') return almostEqual(found, wanted);
  if (!isObject(wanted)) return (found ?? null) === (wanted ?? null);
  if (!isObject(found)) return false;
  return Object.keys(wanted).every(
    key =>
      includes(found[key], wanted[key]) || (UNREPEATED.has(key) && (found[key] ?? null) === null),
  );
}

/** A provider may hold a number in fewer bits than JSON has. */
function almostEqual(one: number, other: number): boolean {
  return Math.abs(one - other) <= 1e-6 * Math.max(Math.abs(one), Math.abs(other));
}

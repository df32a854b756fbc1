import { isDeepStrictEqual } from 'node:util';
import { isObject, type Json } from './preview/session.ts';
import { errorEvent, type FilterVerdict } from './relay/index.ts';

/**
 * The configuration of a session: what is sent upstream before the client's first event, and which
 * parts of it a client secret has locked.
 *
 * A locked part may be repeated as it is, but not changed: a `session.update` or `response.create`
 * that would is refused by name. Locked instructions also refuse system items, which instruct just
 * as well, and prompt templates, which bring instructions and tools of their own. Keys are compared
 * without regard to case, because some upstreams read them so.
 *
 * Threat: the filter and the upstream must understand the same. The relay hands over only valid
 * JSON without duplicate keys; what this file does not know it lets pass only when it cannot
 * configure anything.
 */
const LOCKABLE = ['instructions', 'tools', 'voice', 'model', 'turn_detection', 'all'] as const;
type Lockable = (typeof LOCKABLE)[number];

/** Where each lockable part stands in a GA session or response object. */
const PATHS: Readonly<Record<Exclude<Lockable, 'all'>, readonly (readonly string[])[]>> = {
  instructions: [['instructions'], ['prompt']],
  tools: [['tools'], ['tool_choice'], ['prompt']],
  voice: [['audio', 'output', 'voice'], ['voice']],
  model: [['model']],
  turn_detection: [['audio', 'input', 'turn_detection'], ['turn_detection']],
};

/** What a response may still set when everything is locked. */
const HARMLESS_IN_RESPONSE = new Set(['conversation', 'metadata', 'input']);

/** The first event to the upstream, or null where there is nothing to configure. */
export function configurationEvent(config: Json, eventId: string): string | null {
  const { model: _model, ...session } = config;
  if (Object.keys(session).every(key => key === 'type')) return null;
  return JSON.stringify({
    type: 'session.update',
    event_id: eventId,
    session: { ...session, type: 'realtime' },
  });
}

/** The relay's filter for a session with locked parts. `config` is what was fixed (GA shape). */
export function lockFilter(
  config: Json,
  locked: readonly string[],
): ((text: string) => FilterVerdict) | undefined {
  if (locked.length === 0) return undefined;
  return text => {
    const event = JSON.parse(text) as unknown;
    const param = isObject(event) ? lockedParam(event, config, locked) : undefined;
    if (param === undefined) return { forward: text };
    return {
      refuse: errorEvent({
        type: 'invalid_request_error',
        code: 'locked_configuration',
        message: `${param} is fixed for this session and cannot be changed.`,
        param,
        eventId: isObject(event) ? event.event_id : undefined,
      }),
    };
  };
}

/** The name of the locked part that `event` would change, if any. */
export function lockedParam(
  event: Json,
  config: Json,
  locked: readonly string[],
): string | undefined {
  const type = at(event, ['type']);
  if (typeof type !== 'string') return undefined;
  if (type === 'session.update') return changed('session', at(event, ['session']), config, locked);
  // Other kinds of sessions have update events of their own.
  if (type.endsWith('session.update')) return 'session';
  if (type === 'response.create') return lockedInResponse(at(event, ['response']), config, locked);
  if (type === 'conversation.item.create' && isSystemItem(at(event, ['item']))) {
    return locksInstructions(locked) ? 'item.role' : undefined;
  }
  return undefined;
}

function lockedInResponse(
  response: unknown,
  config: Json,
  locked: readonly string[],
): string | undefined {
  if (!isObject(response)) return undefined;
  const input = at(response, ['input']);
  if (locksInstructions(locked) && Array.isArray(input) && input.some(isSystemItem)) {
    return 'response.input';
  }
  return changed('response', response, config, locked);
}

function changed(
  name: 'session' | 'response',
  value: unknown,
  config: Json,
  locked: readonly string[],
): string | undefined {
  if (!isObject(value)) return undefined;
  if (locked.includes('all')) {
    const key = Object.keys(value).find(
      key =>
        !(name === 'response' && HARMLESS_IN_RESPONSE.has(key.toLowerCase())) &&
        !isDeepStrictEqual(value[key], config[key]),
    );
    return key === undefined ? undefined : `${name}.${key}`;
  }
  for (const part of locked) {
    for (const path of PATHS[part as keyof typeof PATHS] ?? []) {
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

/**
 * The value at `path`, whatever the case of its keys. Two keys that differ only in case give an
 * array of both, which equals nothing that may be there.
 */
function at(value: unknown, path: readonly string[]): unknown {
  let found = value;
  for (const name of path) {
    if (!isObject(found)) return undefined;
    const keys = Object.keys(found).filter(key => key.toLowerCase() === name);
    if (keys.length === 0) return undefined;
    const inner: Json = found;
    found = keys.length === 1 ? inner[keys[0]!] : keys.map(key => inner[key]);
  }
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

function isSystemItem(item: unknown): boolean {
  const role = at(item, ['role']);
  return Array.isArray(role) || role === 'system' || role === 'developer';
}

function locksInstructions(locked: readonly string[]): boolean {
  return locked.includes('instructions') || locked.includes('all');
}

/**
 * Whether a WebRTC client, whose data channel bypasses us, has changed a locked part. `now` is the
 * provider's session object; a part that was fixed must still hold what was fixed (the provider may
 * add to it), one that was left open what it held in `first`.
 */
export function lockBroken(
  states: { config: Json; first: Json; now: Json },
  locked: readonly string[],
): boolean {
  const { config, first, now } = states;
  const parts = locked.includes('all') ? LOCKABLE : locked;
  const paths = parts.flatMap(part => PATHS[part as keyof typeof PATHS] ?? []);
  return paths.some(path => {
    if (path[0] === 'model') return false;
    const fixed = at(config, path);
    const found = at(now, path);
    return fixed === undefined
      ? !isDeepStrictEqual(at(first, path), found)
      : !includes(found, fixed);
  });
}

/** Whether `found` holds everything that `wanted` holds. */
function includes(found: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(found) &&
      found.length === wanted.length &&
      wanted.every((value, index) => includes(found[index], value))
    );
  }
  if (!isObject(wanted)) return found === wanted || (found ?? null) === (wanted ?? null);
  return isObject(found) && Object.keys(wanted).every(key => includes(found[key], wanted[key]));
}

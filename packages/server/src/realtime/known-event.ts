import type { SessionType } from '@holdfast/protocol';
import clientEvents from './client-events.json' with { type: 'json' };
import { isObject } from './preview/session.ts';
import transcriptionEvents from './transcription-events.json' with { type: 'json' };
import translationEvents from './translation-events.json' with { type: 'json' };

/**
 * Which events and fields a client of a locked session may send: those of the stock clients, read
 * from their typings into `client-events.json` and its neighbours for other types of sessions
 * (`npm run docs`), and those that the operator adds
 * (`HOLDFAST_LOCKED_ALSO_ALLOWED`). Names are compared exactly. An upstream that folds case, trims
 * or translates names therefore never gets one that it could read as another.
 *
 * A path is written `session.tools[].type=function|mcp`: names with dots between, `[]` for the
 * elements of an array. It ends where a string, number or boolean stands; after `=` only these
 * strings, or any JSON for `=*`. `null` may stand wherever a path leads, but for listed strings.
 */
interface Place {
  takesAny: boolean;
  takesScalars: boolean;
  /** Where it does not take all scalars: the strings that it takes. */
  strings: Set<string> | null;
  elements: Place | null;
  readonly fields: Map<string, Place>;
}

const SHOWN_CHARS = 100;

export class KnownEvents {
  readonly #byType: Readonly<Record<SessionType, Events>>;

  /** Each addition, for all types of sessions, is the type of an event, or `type:path`. */
  constructor(additions: readonly string[] = []) {
    this.#byType = {
      realtime: eventsOf(clientEvents, additions),
      transcription: eventsOf(transcriptionEvents, additions),
      translation: eventsOf(translationEvents, additions),
    };
  }

  /** The first part of `event` that is not known, by its path; undefined when all are. */
  unknownPart(event: unknown, sessionType: SessionType = 'realtime'): string | undefined {
    if (!isObject(event)) return 'type';
    const { type } = event;
    const place = typeof type === 'string' ? this.#byType[sessionType].get(type) : undefined;
    return place === undefined ? 'type' : unknownAt(place, event, '');
  }
}

type Events = Map<string, Place>;

function eventsOf(
  listed: Readonly<Record<string, readonly string[]>>,
  additions: readonly string[],
): Events {
  const events: Events = new Map();
  for (const [type, paths] of Object.entries(listed)) {
    for (const path of paths) addEvent(events, type, path);
  }
  for (const addition of additions) {
    const [type = '', path = 'event_id'] = addition.split(/:(.*)/s, 2);
    addEvent(events, type, path);
  }
  return events;
}

function addEvent(events: Events, type: string, path: string): void {
  let event = events.get(type);
  if (event === undefined) {
    event = emptyPlace();
    events.set(type, event);
    addPath(event, `type=${type}`);
    addPath(event, 'event_id');
  }
  addPath(event, path);
}

function emptyPlace(): Place {
  return { takesScalars: false, takesAny: false, strings: null, elements: null, fields: new Map() };
}

function addPath(event: Place, text: string): void {
  const [path = '', values] = text.split('=', 2);
  let place = event;
  for (const step of path.split('.')) {
    const [name = '', ...arrays] = step.split('[]');
    place = fieldOf(place, name);
    for (const _ of arrays) {
      place.elements ??= emptyPlace();
      place = place.elements;
    }
  }
  if (values === '*') place.takesAny = true;
  else if (values === undefined) place.takesScalars = true;
  else place.strings = new Set([...(place.strings ?? []), ...values.split('|')]);
}

function fieldOf(place: Place, name: string): Place {
  const known = place.fields.get(name);
  if (known !== undefined) return known;
  const fresh = emptyPlace();
  place.fields.set(name, fresh);
  return fresh;
}

function unknownAt(place: Place, value: unknown, path: string): string | undefined {
  if (place.takesAny) return undefined;
  if (Array.isArray(value)) {
    const { elements } = place;
    if (elements === null) return path;
    return first(value, (element, index) => unknownAt(elements, element, `${path}[${index}]`));
  }
  if (isObject(value)) {
    if (place.fields.size === 0) return path;
    return first(Object.keys(value), name => {
      const inner = path === '' ? name : `${path}.${name}`;
      const field = place.fields.get(name);
      return field === undefined
        ? inner.slice(0, SHOWN_CHARS)
        : unknownAt(field, value[name], inner);
    });
  }
  if (place.takesScalars || place.strings?.has(value as string)) return undefined;
  return value === null && place.strings === null ? undefined : path;
}

function first<T>(
  values: readonly T[],
  unknown: (value: T, index: number) => string | undefined,
): string | undefined {
  for (const [index, value] of values.entries()) {
    const found = unknown(value, index);
    if (found !== undefined) return found;
  }
  return undefined;
}

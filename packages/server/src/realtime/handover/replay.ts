import { HoldfastError, newId } from '../../kernel/index.ts';
import { type ConfigureOptions, takeConfiguration } from '../configure-upstream.ts';
import type { KnownEvents } from '../known-event.ts';
import { updateTo } from '../locked-config.ts';
import { isObject, type Json } from '../preview/session.ts';
import { exchange, type RelayPeer } from '../relay/index.ts';
import { typeOf } from '../session-type.ts';
import { parse } from '../tap.ts';
import type { Conversation } from './conversation.ts';

/**
 * Makes a fresh upstream know a conversation: its configuration, then its items. Nothing of what it
 * says meanwhile is for the client, who knows it all.
 */
export interface ReplayOptions extends Omit<ConfigureOptions, 'onRefused' | 'eventId'> {
  readonly conversation: Conversation;
  readonly known: KnownEvents;
}

export interface Replayed {
  /** What the upstream said of its new session, for the tap: `session.created`, `.updated`. */
  readonly opening: readonly string[];
  readonly items: number;
  /** Items that it does not know now. */
  readonly leftOut: number;
}

/** All that an upstream may say to it; items come back as they are, audio aside. */
const MAX_BYTES = 16 * 1024 * 1024;
/** A replayed model may otherwise greet again, or change its language. */
const REANCHOR =
  'The connection was renewed. Go on with the conversation above in the language and manner it ' +
  'has; do not greet again, and do not mention this.';

/** Throws the error of an upstream that fails; its socket is destroyed then. */
export async function replay(peer: RelayPeer, options: ReplayOptions): Promise<Replayed> {
  const { conversation, known, timeoutMs, signal } = options;
  const eventId = newId('evt');
  const update = { ...sendable(conversation.config ?? {}, known), event_id: eventId };
  const { texts, updated } = await takeConfiguration(peer, JSON.stringify(update), {
    ...options,
    eventId,
    onRefused: () => {},
  });
  const opening = [...texts.filter(text => parse(text)?.type === 'session.created'), updated];
  const { items, leftOut } = conversation.replay();
  if (items.length === 0) return { opening, items: 0, leftOut };
  const anchor = {
    type: 'message',
    role: 'system',
    content: [{ type: 'input_text', text: REANCHOR }],
  };
  const answers = new ItemAnswers([...items, anchor]);
  const end = await exchange({
    peer,
    messages: answers.messages,
    heard: text => answers.hear(text),
    timeoutMs,
    maxBytes: MAX_BYTES,
    signal,
  });
  if (end.kind !== 'done') {
    const cause = new Error(`upstream ${end.kind}`);
    throw new HoldfastError('upstream_error', 'The model did not take the conversation.', {
      cause,
    });
  }
  const refused = answers.refused;
  return { opening, items: items.length - refused, leftOut: leftOut + refused };
}

/** The items' events, and which of them the upstream has answered. */
class ItemAnswers {
  refused = 0;
  readonly #waiting = new Map<string, Json>();
  readonly #added = new Set<unknown>();
  readonly #done = new Set<unknown>();

  constructor(items: readonly Json[]) {
    for (const item of items) this.#waiting.set(newId('evt'), item);
  }

  get messages(): string[] {
    return [...this.#waiting].map(([event_id, item]) =>
      JSON.stringify({ type: 'conversation.item.create', event_id, item }),
    );
  }

  /** Whether all are answered. GA answers with `added` and `done`, older ones with `created`. */
  hear(text: string): boolean {
    const event = parse(text);
    if (event?.type === 'error' && isObject(event.error)) {
      if (this.#waiting.has(String(event.error.event_id))) this.refused += 1;
    }
    const id = isObject(event?.item) ? event.item.id : undefined;
    if (event?.type === 'conversation.item.created') this.#done.add(id);
    if (event?.type === 'conversation.item.added') this.#added.add(id);
    if (event?.type === 'conversation.item.done' && this.#added.has(id)) this.#done.add(id);
    return this.#done.size + this.refused >= this.#waiting.size;
  }
}

/** The event that sets a reported configuration, without what only a provider may say. */
function sendable(reported: Json, known: KnownEvents): Json {
  const event = updateTo(withoutNulls(structuredClone(reported)) as Json);
  const type = typeOf(reported);
  for (;;) {
    const unknown = known.unknownPart(event, type);
    if (unknown === undefined || unknown === 'type') return event;
    if (!remove(event, unknown.split(/\.|\[(\d+)\]/).filter(Boolean))) return event;
  }
}

/** Where `null` says something else than nothing. */
const MEANT_NULLS: ReadonlySet<string> = new Set(['turn_detection']);

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isObject(value)) return value;
  const kept = Object.entries(value).filter(
    ([name, part]) => part !== null || MEANT_NULLS.has(name),
  );
  return Object.fromEntries(kept.map(([name, part]) => [name, withoutNulls(part)]));
}

function remove(value: unknown, path: readonly string[]): boolean {
  const [name = '', ...rest] = path;
  if (rest.length > 0) return remove((value as Json | undefined)?.[name], rest);
  return isObject(value) && name in value && delete value[name];
}

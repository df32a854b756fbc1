import { HoldfastError } from '../kernel/index.ts';
import { refusalError } from './errors.ts';
import { configurationEvent, type Locks, lockBroken } from './locked-config.ts';
import { isObject, type Json } from './preview/session.ts';
import { type ExchangeEnd, exchange, putBack, type RelayPeer } from './relay/index.ts';
import { parse } from './tap.ts';

/**
 * Gives a new upstream the configuration that we fixed, and waits until it has taken it. Nothing of
 * the client has been read by then, so no session goes on without what was fixed.
 *
 *   session.update sent ──session.updated, locked parts as fixed──▶ taken
 *      └── error ──▶ refused ; silence, a close, another configuration ──▶ failed
 *
 * The client meets what it would meet at the provider with a secret of the provider's: its
 * `session.created` shows the configuration, and no `session.updated` comes that it did not ask
 * for. All else that came meanwhile follows in its order.
 */
export interface ConfigureOptions extends Locks {
  /** Of our `session.update`. No client ever sees it, nor can it guess it. */
  readonly eventId: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Gets the provider's `error` event, which the client does not see as it came. */
  readonly onRefused: (event: string) => void;
}

export interface Configured {
  /** The `session.updated` that the client does not get; null where there was nothing to fix. */
  readonly updated: string | null;
}

/** All that an upstream may say before it has taken a configuration. */
const MAX_BYTES = 4 * 1024 * 1024;

/** Throws the refusal in the provider's words, or the error of an upstream that fails. */
export async function configureUpstream(
  peer: RelayPeer,
  options: ConfigureOptions,
): Promise<Configured> {
  const message = configurationEvent(options.config, options.eventId);
  if (message === null) return { updated: null };
  const { texts, updated } = await takeConfiguration(peer, message, options);
  putBack(peer, texts);
  return { updated };
}

/** What an upstream has said while it took a configuration; `texts` without its answer. */
export interface Taken {
  readonly texts: readonly string[];
  readonly updated: string;
}

/** Sends `message`, the event with the configuration, and waits until it is taken. */
export async function takeConfiguration(
  peer: RelayPeer,
  message: string,
  options: ConfigureOptions,
): Promise<Taken> {
  const { eventId, timeoutMs, signal } = options;
  const opening = new Opening(eventId);
  const end = await exchange({
    peer,
    messages: [message],
    heard: said => opening.hear(said),
    timeoutMs,
    maxBytes: MAX_BYTES,
    signal,
  });
  try {
    if (opening.error !== undefined && opening.updated === undefined) {
      options.onRefused(opening.error);
      throw refusal(opening.error);
    }
    if (end.kind !== 'done') throw failure(end);
    return taken(opening, options);
  } catch (error) {
    peer.socket.destroy();
    throw error;
  }
}

/** What an upstream says between its first word and its answer to our configuration. */
class Opening {
  /** In their order, without the answer. */
  readonly texts: string[] = [];
  created: { readonly at: number; readonly event: Json } | undefined;
  updated: { readonly text: string; readonly session: Json } | undefined;
  /** The newest `error` event. */
  error: string | undefined;
  readonly #eventId: string;

  constructor(eventId: string) {
    this.#eventId = eventId;
  }

  /** Whether this is the answer. Only we have spoken, so a refusal without an id is ours too. */
  hear(said: string): boolean {
    const event = parse(said);
    if (event?.type === 'session.updated' && isObject(event.session)) {
      this.updated = { text: said, session: event.session };
      return true;
    }
    if (event?.type === 'error' && isObject(event.error)) {
      const { event_id, type } = event.error;
      this.error = said;
      if (event_id === this.#eventId) return true;
      if (!event_id && type === 'invalid_request_error') return true;
    }
    if (event?.type === 'session.created' && this.created === undefined) {
      this.created = { at: this.texts.length, event };
    }
    this.texts.push(said);
    return false;
  }
}

function taken(opening: Opening, locks: Locks): Taken {
  const { texts, created, updated } = opening;
  const { session, text } = updated!;
  if (lockBroken(locks, { first: session, now: session })) {
    throw new HoldfastError(
      'invalid_request',
      'The model did not take the configuration that is locked for this session.',
      { upstreamCode: 'locked_configuration' },
    );
  }
  if (created === undefined) texts.push(text);
  else {
    const { at, event } = created;
    const before = isObject(event.session) ? event.session : {};
    texts[at] = JSON.stringify({ ...event, session: { ...before, ...session } });
  }
  return { texts, updated: text };
}

/** As if it had answered a request: an `error` event has the same object in it. */
function refusal(body: string): HoldfastError {
  const answer = { status: 400, headers: {}, body };
  return refusalError({ what: 'configuration', answer, secrets: [], isCallers: true });
}

function failure(end: ExchangeEnd): HoldfastError {
  if (end.kind === 'timeout') {
    const message = 'The model did not confirm the configuration of the session in time.';
    return new HoldfastError('upstream_timeout', message);
  }
  const cause = new Error(
    'code' in end ? `upstream ${end.kind}: ${end.code} ${end.reason}` : `upstream ${end.kind}`,
  );
  const message = 'The model ended the connection before it took the configuration of the session.';
  return new HoldfastError('upstream_error', message, { cause });
}

import { parseJson } from '../kernel/index.ts';
import type { NewEvent } from '../platform/log/index.ts';
import { clientLogEvent, serverLogEvent, voiceOf } from './log-events.ts';
import { Meter, type MeterAccount, type SessionTotals } from './meter.ts';
import { isObject, type Json } from './preview/session.ts';
import { EVENT_TYPE } from './relay/index.ts';

/**
 * Reads along with one session, in GA: what passes becomes log events, usage, and a few facts on
 * which the leased session acts. Never delays or changes anything, and never sees audio. The same
 * for a relayed WebSocket and for the sideband of a call.
 */
export interface TapListener {
  /** An event for the journal. */
  record(event: NewEvent): void;
  /** The upstream has opened its session. Called once for each. */
  onCreated(session: UpstreamSession): void;
  /** The effective configuration, whenever the upstream reports it. */
  onConfiguration?(session: Json): void;
  /** The upstream reports an error; the object inside of the event. */
  onError?(error: Json): void;
  /** The voice has changed. */
  onVoice?(voice: string): void;
  /** Each of the upstream's events that is read, after what follows from it. */
  onEvent?(event: Json): void;
  /** A piece of an answer's words, unread. */
  onWords?(text: string): void;
  /** An event could not be read, so that neither log nor usage have it. */
  onUnread?(): void;
  /** Whether the next response may be is known when the promise resolves. */
  onReserving?(reserving: Promise<void>): void;
}

export interface UpstreamSession {
  readonly id: string;
  /** Seconds since the epoch, if the provider reports when it will end the session. */
  readonly expiresAtS: number | null;
  readonly voice: string | null;
}

const ID_MAX_CHARS = 200;
const WORDS: ReadonlySet<string> = new Set([
  'response.output_audio_transcript.delta',
  'response.output_text.delta',
]);

export class SessionTap {
  readonly meter: Meter;
  /** The upstream reported that its session's time is over; its close will follow. */
  upstreamExpired = false;
  #created = false;
  #voice: string | null = null;
  readonly #listener: TapListener;

  constructor(listener: TapListener, account: MeterAccount, before?: SessionTotals) {
    this.#listener = listener;
    this.meter = new Meter(account, before, reserving => listener.onReserving?.(reserving));
  }

  server(text: string): void {
    // Frequent pieces of transcripts are recognised by their type and never parsed.
    const type = EVENT_TYPE.exec(text)?.[1];
    if (type?.endsWith('.delta')) {
      if (WORDS.has(type)) this.#listener.onWords?.(text);
      return;
    }
    const event = parse(text);
    if (event === undefined) {
      this.#listener.onUnread?.();
      return;
    }
    const costed = this.meter.read(event);
    if (event.type === 'session.created') this.#onCreated(event.session);
    if (event.type === 'session.updated') this.#onUpdated(event.session);
    if (event.type === 'error' && isObject(event.error)) {
      this.upstreamExpired ||= event.error.code === 'session_expired';
      this.#listener.onError?.(event.error);
    }
    const logged = serverLogEvent(event, costed);
    if (logged !== null) this.#listener.record(logged);
    this.#listener.onEvent?.(event);
  }

  /** Another upstream session follows. */
  renew(): void {
    this.#created = false;
    this.upstreamExpired = false;
  }

  client(text: string): void {
    // Only results of functions are kept; everything else comes back from the upstream.
    const isResult = text.includes('function_call_output');
    // The name may be written with escapes.
    if (!isResult && !text.includes('response.create') && !text.includes('\\u')) return;
    const event = parse(text);
    if (event?.type === 'response.create') this.meter.ask(event.event_id);
    const logged = event === undefined ? null : clientLogEvent(event);
    if (logged !== null) this.#listener.record(logged);
  }

  #onCreated(value: unknown): void {
    if (this.#created || !isObject(value)) return;
    this.#created = true;
    const { id, expires_at } = value;
    const session = {
      id: typeof id === 'string' ? id.slice(0, ID_MAX_CHARS) : '',
      expiresAtS: saneTime(expires_at),
      voice: voiceOf(value),
    };
    this.#voice = session.voice;
    this.#listener.record({
      type: 'session.upstream_created',
      data: {
        upstream_session_id: session.id,
        upstream_expires_at:
          session.expiresAtS === null ? null : new Date(session.expiresAtS * 1000).toISOString(),
      },
    });
    this.#listener.onCreated(session);
    this.#listener.onConfiguration?.(value);
  }

  #onUpdated(value: unknown): void {
    if (!isObject(value)) return;
    const voice = voiceOf(value);
    if (voice !== null && voice !== this.#voice) {
      this.#voice = voice;
      this.#listener.onVoice?.(voice);
    }
    this.#listener.onConfiguration?.(value);
  }
}

/** The year 2100; what lies beyond is not seconds, and some of it is no date at all. */
const LATEST_S = 4_102_444_800;

function saneTime(value: unknown): number | null {
  return typeof value === 'number' && value > 0 && value < LATEST_S ? value : null;
}

/** A JSON object of bounded depth, or undefined. */
export function parse(text: string): Json | undefined {
  try {
    const value: unknown = parseJson(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

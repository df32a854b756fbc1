/**
 * One realtime session: the model's side of a conversation, whatever carries it.
 *
 * Lifecycle: `open()` sends `session.created` (after the set delay); client events come in through
 * `receive`, a media track's audio through `receiveAudio`; server events go out through the sinks;
 * `close()` ends it silently. At the end of its lifetime it sends `session_expired` and asks its
 * transport to close with 1001.
 *
 * Invariants: at most one response in the conversation at a time; the session answers a client's
 * fault with an `error` event and changes nothing; after `close()` nothing is sent.
 */
import { AudioDecoder } from '../audio/format.ts';
import type { Behaviour } from '../behaviour.ts';
import type { Cancel, Clock } from '../clock.ts';
import type { SessionRecord } from '../inspect/record.ts';
import type { Random } from '../random.ts';
import { APPEND, decodeAudio, plainAppend } from './append.ts';
import { parseClientEvent, type ResponseParams } from './client-events.ts';
import { type SessionConfig, shownConfig } from './config.ts';
import { Conversation } from './conversation.ts';
import { ProtocolError } from './errors.ts';
import { type EventHost, handle } from './handlers.ts';
import type { AudioPlace, Interrupted, MediaOutput, Run } from './host.ts';
import { Responses } from './responses.ts';
import type { ServerEvent } from './server-events.ts';
import { type EventSink, Sinks } from './sinks.ts';
import { Turns } from './turns.ts';

export interface SessionOptions {
  clock: Clock;
  random: Random;
  behaviour: Behaviour;
  record: SessionRecord;
  config: SessionConfig;
  media?: MediaOutput;
  /** Ends the transport. */
  disconnect(code: number, reason: string): void;
}

export class RealtimeSession implements EventHost {
  readonly clock: Clock;
  readonly random: Random;
  readonly behaviour: Behaviour;
  readonly record: SessionRecord;
  readonly conversation: Conversation;
  readonly media: MediaOutput | undefined;
  readonly turns: Turns;
  config: SessionConfig;
  updateAnswer: EventHost['updateAnswer'];
  readonly #disconnect: SessionOptions['disconnect'];
  readonly #sinks: Sinks;
  readonly #responses: Responses;
  readonly #timers = new Set<Cancel>();
  #decoder: AudioDecoder;
  #greeted = false;
  #closed = false;

  constructor(options: SessionOptions) {
    this.clock = options.clock;
    this.random = options.random;
    this.behaviour = options.behaviour;
    this.record = options.record;
    this.config = options.config;
    this.media = options.media;
    this.#disconnect = options.disconnect;
    this.#sinks = new Sinks(this.random, this.record);
    this.conversation = new Conversation(this.random.id('conv'));
    this.turns = new Turns(this);
    this.#responses = new Responses(this);
    this.#decoder = new AudioDecoder(this.config.audio.input.format.type);
  }

  open(): void {
    this.#after(this.behaviour.firstEventDelayMs, () => this.greet());
    this.#after(this.behaviour.sessionLifetimeMs, () => this.expire());
  }

  /** Sends `session.created` to all, or to one that came later. */
  greet(only?: EventSink): void {
    if (only !== undefined && !this.#greeted) return;
    this.#greeted = true;
    this.#sinks.emit({ type: 'session.created', session: shownConfig(this.config) }, only);
  }

  attach(sink: EventSink): void {
    this.#sinks.add(sink);
  }

  detach(sink: EventSink): void {
    this.#sinks.delete(sink);
  }

  close(): void {
    this.#closed = true;
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    this.#responses.close();
    this.turns.close();
  }

  /** The end of the lifetime, as the provider announces it. */
  expire(): void {
    const minutes = Math.round(this.behaviour.sessionLifetimeMs / 60_000);
    const message = `Your session hit the maximum duration of ${minutes} minutes.`;
    this.fail({ type: 'invalid_request_error', code: 'session_expired', message });
    this.#disconnect(1001, message);
  }

  /** Sends an `error` event that no client event caused. */
  fail(error: { type: string; code: string; message: string }): void {
    this.emit({ type: 'error', error: { ...error, param: null, event_id: null } });
  }

  /** One client event as it came; never throws for a client's fault. */
  receive(message: Buffer): void {
    if (this.#closed) return;
    let eventId: string | null = null;
    try {
      const base64 = plainAppend(message);
      if (base64 !== undefined) {
        this.record.received.count(APPEND, message.length);
        this.append(decodeAudio(base64));
        return;
      }
      const value = this.#parse(message);
      eventId = idOf(value);
      handle(this, parseClientEvent(value));
    } catch (error) {
      this.#answer(error, eventId);
    }
  }

  /** Reports a client's fault to the client, and a fault of our own also on standard error. */
  #answer(error: unknown, eventId: string | null): void {
    if (error instanceof ProtocolError) {
      const { type, code, message, param } = error;
      this.emit({ type: 'error', error: { type, code, message, param, event_id: eventId } });
      return;
    }
    console.error(error);
    const message = 'The server had an error while processing your request.';
    const rest = { code: null, param: null, event_id: eventId };
    this.emit({ type: 'error', error: { type: 'server_error', message, ...rest } });
  }

  #parse(message: Buffer): unknown {
    try {
      const value: unknown = JSON.parse(message.toString('utf8'));
      this.record.received.count(typeOf(value), message.length);
      return value;
    } catch {
      this.record.received.count('(not JSON)', message.length);
      throw new ProtocolError('invalid_json', 'The message is not valid JSON.');
    }
  }

  /** Audio that came in an event, in the session's input format. */
  append(bytes: Buffer): void {
    if (this.media !== undefined) {
      const message = 'Audio comes over the media track in this session.';
      throw new ProtocolError('invalid_value', message, 'type');
    }
    this.record.received.audio(bytes);
    if (this.behaviour.mode === 'load') this.#responses.startLoad();
    else this.#hear(this.#decoder.decode(bytes));
  }

  /** Audio that came over a media track, at 24 kHz. */
  receiveAudio(samples: Int16Array, bytes: Buffer): void {
    if (this.#closed) return;
    this.record.received.audio(bytes);
    this.#hear(samples);
  }

  #hear(samples: Int16Array): void {
    this.record.envelope.push(samples);
    this.turns.push(samples);
  }

  reconfigure(config: SessionConfig): void {
    this.config = config;
    const { format } = config.audio.input;
    if (format.type !== this.#decoder.format) this.#decoder = new AudioDecoder(format.type);
    this.turns.configure();
    this.emit({ type: 'session.updated', session: shownConfig(config) });
  }

  createResponse(params: ResponseParams): void {
    this.#responses.create(params);
  }

  cancelResponse(responseId: string | undefined): void {
    this.#responses.cancel(responseId);
  }

  /** Cuts the model's audio down to what was played, and removes its transcript. */
  truncate({ itemId, contentIndex, playedMs }: Omit<Interrupted, 'responseId'>): void {
    const item = this.conversation.find(itemId);
    if (item?.type === 'message') item.content = [{ type: 'output_audio' }];
    this.conversation.keepSpoken(itemId, playedMs);
    this.emit({
      type: 'conversation.item.truncated',
      item_id: itemId,
      content_index: contentIndex,
      audio_end_ms: playedMs,
    });
  }

  /** `output_audio_buffer.clear`: stops what plays on the media track. */
  clearOutput(): void {
    if (this.media === undefined) {
      const message = "'output_audio_buffer.clear' is only available over WebRTC.";
      throw new ProtocolError('invalid_value', message, 'type');
    }
    const cut = this.media.clear();
    if (cut === undefined) return;
    this.emit({ type: 'output_audio_buffer.cleared', response_id: cut.responseId });
    if (this.conversation.find(cut.itemId) !== undefined) this.truncate(cut);
  }

  interrupt(): void {
    this.#responses.interrupt();
    if (this.media !== undefined) this.clearOutput();
  }

  respond(): void {
    if (this.config.type === 'realtime') this.#responses.respond();
  }

  heardNext(): string | undefined {
    return this.#responses.nextTurn?.heard;
  }

  emit(event: ServerEvent): void {
    if (!this.#closed) this.#sinks.emit(event);
  }

  emitAudio(place: AudioPlace, outputIndex: number, audio: Buffer): void {
    if (this.#closed) return;
    this.#sinks.emitAudio(place, outputIndex, audio, this.media === undefined);
  }

  get wantsAudioEvents(): boolean {
    return this.#sinks.takesAudio;
  }

  get backlogged(): boolean {
    return this.#sinks.backlogged;
  }

  runEnded(run: Run): void {
    this.#responses.ended(run);
  }

  #after(delayMs: number, action: () => void): void {
    const cancel = this.clock.after(delayMs, () => {
      this.#timers.delete(cancel);
      action();
    });
    this.#timers.add(cancel);
  }
}

function idOf(value: unknown): string | null {
  const id = (value as { event_id?: unknown } | null)?.event_id;
  return typeof id === 'string' ? id.slice(0, 512) : null;
}

function typeOf(value: unknown): string {
  const type = (value as { type?: unknown } | null)?.type;
  return typeof type === 'string' ? type.slice(0, 100) : '(no type)';
}

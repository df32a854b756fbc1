/**
 * One translation session: audio in, and continuously "translated" audio and transcripts out. It
 * understands nothing: the translation of a stretch of sound is that sound itself, with a text that
 * says so. The events have no turns, items or responses.
 * Source: `openai` 7.57, `RealtimeTranslationClientEvent` and `RealtimeTranslationServerEvent`.
 */
import type {
  RealtimeErrorEvent,
  RealtimeTranslationServerEvent,
} from 'openai/resources/realtime/realtime';
import { z } from 'zod';
import { rms, SAMPLE_RATE, samplesOf, toBytes, toSamples } from '../audio/pcm.ts';
import type { Behaviour } from '../behaviour.ts';
import type { SessionRecord } from '../inspect/record.ts';
import { EventIds, type Random } from '../random.ts';
import { decodeAudio } from '../session/append.ts';
import { toProtocolError } from '../session/client-events.ts';
import { noiseReduction } from '../session/config.ts';
import { ProtocolError } from '../session/errors.ts';
import type { EventSink } from '../session/sinks.ts';

/** The engine works on frames of this length. */
const FRAME_SAMPLES = samplesOf(200);
const FRAME_MS = 200;
/** Below it a frame is silence, of which there is nothing to tell. */
const SPEECH_RMS = 0.01;

const update = z.strictObject({
  audio: z
    .strictObject({
      input: z
        .strictObject({
          transcription: z.strictObject({ model: z.string().min(1).max(200) }).nullish(),
          noise_reduction: noiseReduction.nullish(),
        })
        .optional(),
      output: z.strictObject({ language: z.string().min(2).max(20).optional() }).optional(),
    })
    .optional(),
});
export type TranslationUpdate = z.infer<typeof update>;

const eventId = z.string().max(512).optional();
const clientEvent = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('session.update'), event_id: eventId, session: update }),
  z.strictObject({
    type: z.literal('session.input_audio_buffer.append'),
    event_id: eventId,
    audio: z.string(),
  }),
  z.strictObject({ type: z.literal('session.close'), event_id: eventId }),
]);
type ClientEvent = z.infer<typeof clientEvent>;

/** What `translations/client_secrets` takes as `session`. */
export const translationRequest = update.extend({
  type: z.literal('translation').optional(),
  model: z.string().min(1).max(200),
});
export type TranslationRequest = z.infer<typeof translationRequest>;

type ServerEvent = Exclude<RealtimeTranslationServerEvent, RealtimeErrorEvent>;
type WithoutId<T> = T extends unknown ? Omit<T, 'event_id'> : never;

export interface TranslationOptions {
  id: string;
  model: string;
  expiresAtS: number;
  behaviour: Behaviour;
  random: Random;
  record: SessionRecord;
  request: TranslationUpdate | undefined;
  disconnect(code: number, reason: string): void;
}

export class TranslationSession {
  readonly behaviour: Behaviour;
  readonly record: SessionRecord;
  readonly #options: TranslationOptions;
  readonly #ids: EventIds;
  readonly #sinks = new Set<EventSink>();
  #audio: NonNullable<TranslationUpdate['audio']>;
  #pending = new Int16Array(0);
  #elapsedMs = 0;
  #closed = false;

  constructor(options: TranslationOptions) {
    this.#options = options;
    this.behaviour = options.behaviour;
    this.record = options.record;
    this.#ids = new EventIds(options.random);
    this.#audio = merged({}, options.request);
  }

  open(): void {
    this.#emit({ type: 'session.created', session: this.#shown() });
  }

  close(): void {
    this.#closed = true;
  }

  /** As the provider announces the end of the lifetime. */
  expire(): void {
    this.fail({
      type: 'invalid_request_error',
      code: 'session_expired',
      message: 'Your session hit the maximum duration.',
    });
    this.#options.disconnect(1001, 'session expired');
  }

  fail(error: { type: string; code: string; message: string }): void {
    this.#send({ type: 'error', error: { ...error, param: null, event_id: null } });
  }

  attach(sink: EventSink): void {
    this.#sinks.add(sink);
  }

  detach(sink: EventSink): void {
    this.#sinks.delete(sink);
  }

  receive(message: Buffer): void {
    if (this.#closed) return;
    let given: { type?: unknown; event_id?: unknown } | null = null;
    try {
      given = parsed(message);
      this.record.received.count(String(given?.type).slice(0, 100), message.length);
      this.#handle(checked(given));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      const { type, code, message: text, param } = error;
      const event_id = typeof given?.event_id === 'string' ? given.event_id : null;
      this.#send({ type: 'error', error: { type, code, message: text, param, event_id } });
    }
  }

  #handle(event: ClientEvent): void {
    if (event.type === 'session.update') {
      this.#audio = merged(this.#audio, event.session);
      this.#emit({ type: 'session.updated', session: this.#shown() });
    } else if (event.type === 'session.close') {
      this.#translate(this.#pending);
      this.#emit({ type: 'session.closed' });
      this.close();
    } else {
      const bytes = decodeAudio(event.audio);
      this.record.received.audio(bytes);
      this.#hear(toSamples(bytes));
    }
  }

  #hear(samples: Int16Array): void {
    this.record.envelope.push(samples);
    const all = new Int16Array(this.#pending.length + samples.length);
    all.set(this.#pending);
    all.set(samples, this.#pending.length);
    let at = 0;
    for (; at + FRAME_SAMPLES <= all.length; at += FRAME_SAMPLES) {
      this.#translate(all.subarray(at, at + FRAME_SAMPLES));
    }
    this.#pending = all.slice(at);
  }

  #translate(frame: Int16Array): void {
    if (frame.length === 0) return;
    this.#elapsedMs += FRAME_MS;
    const elapsed_ms = this.#elapsedMs;
    const bytes = toBytes(frame.slice());
    this.record.sent.audio(bytes);
    this.#emit({
      type: 'session.output_audio.delta',
      delta: bytes.toString('base64'),
      elapsed_ms,
      format: 'pcm16',
      sample_rate: SAMPLE_RATE,
      channels: 1,
    });
    if (rms(frame) < SPEECH_RMS) return;
    const language = this.#audio.output?.language ?? 'en';
    const place = { delta: '(simulated) ', elapsed_ms };
    if (this.#audio.input?.transcription) {
      this.#emit({ type: 'session.input_transcript.delta', ...place });
    }
    const delta = `(simulated ${language}) `;
    this.#emit({ type: 'session.output_transcript.delta', delta, elapsed_ms });
  }

  #shown() {
    const { id, model, expiresAtS } = this.#options;
    return { id, type: 'translation' as const, model, expires_at: expiresAtS, audio: this.#audio };
  }

  #emit(event: WithoutId<ServerEvent>): void {
    this.#send(event);
  }

  #send(event: { type: string } & Record<string, unknown>): void {
    if (this.#closed) return;
    const { type, ...fields } = event;
    const json = JSON.stringify({ type, event_id: this.#ids.next(), ...fields });
    this.record.sent.count(type, json.length);
    for (const sink of this.#sinks) sink.send(json);
  }
}

function parsed(message: Buffer): { type?: unknown; event_id?: unknown } | null {
  try {
    return JSON.parse(message.toString('utf8')) as { type?: unknown } | null;
  } catch {
    throw new ProtocolError('invalid_json', 'The message is not valid JSON.');
  }
}

function checked(value: unknown): ClientEvent {
  const result = clientEvent.safeParse(value);
  if (result.success) return result.data;
  throw toProtocolError(result.error.issues[0] as z.core.$ZodIssue);
}

function merged(
  audio: NonNullable<TranslationUpdate['audio']>,
  request: TranslationUpdate | undefined,
): NonNullable<TranslationUpdate['audio']> {
  return {
    input: { ...audio.input, ...request?.audio?.input },
    output: { ...audio.output, ...request?.audio?.output },
  };
}

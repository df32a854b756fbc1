import type { SessionUsage } from '@holdfast/protocol';
import type { VoiceAccount, VoiceUsage } from '../models/index.ts';
import { AskedResponses } from './asked-responses.ts';
import type { Costed } from './log-events.ts';
import { isObject, type Json } from './preview/session.ts';
import { addUsage, NOTHING, noUsage, reportedUsage, TRANSCRIBED } from './usage.ts';

/** What a session has used and cost so far; it goes on from there when another process takes it. */
export interface SessionTotals {
  readonly usage: SessionUsage;
  /** The known part. */
  readonly costUsd: number;
  readonly unpriced: readonly string[];
  readonly unreported: number;
}

export type MeterAccount = Omit<VoiceAccount, 'close'>;

/** Responses under way that are told apart; more at once count as this many. */
const OPEN_MAX = 64;
const UNPRICED_MAX = 8;
const NAME_MAX_CHARS = 100;
/** A response that ended so was not billed, if it reports no usage. */
const UNBILLED = 'failed';
const TRANSCRIPTION_FAILED = 'conversation.item.input_audio_transcription.failed';

/**
 * Meters one session by its provider's events: usage by modality, cost, and which responses are
 * under way. Tells the account of every turn.
 */
export class Meter {
  usage: SessionUsage;
  costUsd: number;
  unreported: number;
  readonly #account: MeterAccount;
  readonly #onReserving: ((reserving: Promise<void>) => void) | undefined;
  readonly #unpriced: Set<string>;
  readonly #open = new Set<string>();
  readonly #asked = new AskedResponses();
  /** Items that are being transcribed. */
  readonly #heard = new Set<string>();
  #isTranscription = false;
  #maxOutputTokens: number | undefined;
  #transcriptionModel: string | undefined;
  #inputTokens = 0;

  /** `onReserving`: whether the next response may be is known when the promise resolves. */
  constructor(
    account: MeterAccount,
    before?: SessionTotals,
    onReserving?: (reserving: Promise<void>) => void,
  ) {
    this.#account = account;
    this.#onReserving = onReserving;
    this.usage = before?.usage ?? noUsage();
    this.costUsd = before?.costUsd ?? 0;
    this.unreported = before?.unreported ?? 0;
    this.#unpriced = new Set(before?.unpriced);
  }

  get totals(): SessionTotals {
    const { usage, costUsd, unreported } = this;
    return { usage, costUsd, unreported, unpriced: [...this.#unpriced] };
  }

  /** The ids of responses under way. */
  get open(): readonly string[] {
    return [...this.#open];
  }

  /** The client has asked for a response. Where a budget applies, it may wait for one at most. */
  ask(eventId: unknown): void {
    if (!this.#account.isLimited) return;
    this.#asked.add(eventId);
    if (this.#asked.size + this.#open.size < 2 || this.#asked.isAwaited) return;
    this.#onReserving?.(this.#asked.answered());
  }

  /** What the event reports as used, if it does. */
  read(event: Json): Costed | undefined {
    if (event.type === 'session.created' || event.type === 'session.updated') {
      this.#configure(event.session);
    }
    if (event.type === 'response.created') this.#begin(event.response);
    // After its reservation has begun, so that the client waits on.
    if (event.type === 'response.created') this.#asked.begun();
    if (event.type === 'error' && isObject(event.error)) this.#asked.refused(event.error);
    this.#transcribe(event);
    const reported = reportedUsage(event);
    this.usage = addUsage(this.usage, event, reported);
    if (event.type === 'response.done') this.#finish(event.response, reported !== undefined);
    if (reported === undefined) return undefined;
    const { by, used } = reported;
    const transcriber =
      by === 'transcription' ? (this.#transcriptionModel ?? 'transcription') : undefined;
    const costUsd = this.#add(used, transcriber);
    if (by === 'model') {
      const { input, output } = used;
      this.#inputTokens = input.text + input.audio + input.image + output.text + output.audio;
    }
    this.#turn();
    return { reported, costUsd };
  }

  /** So much time of a session that is billed by time, for no event reports it. */
  elapse(seconds: number): void {
    this.#add({ input: NOTHING, cached: NOTHING, output: NOTHING, seconds });
    this.#turn();
  }

  #add(used: VoiceUsage, transcriber?: string): number | null {
    const { model } = this.#account;
    const costUsd = this.#account.add(used, transcriber);
    if (costUsd !== null) this.costUsd += costUsd;
    else if (this.#unpriced.size < UNPRICED_MAX) this.#unpriced.add(transcriber ?? model);
    return costUsd;
  }

  /** Another process has held the session: what it had reserved and not settled was spent. */
  resume(): void {
    this.#account.addUnreported(1);
    this.#turn();
  }

  /** The session ends: the usage of what is under way will not be reported. */
  end(): void {
    // Beside a conversation a transcription costs next to nothing of what is reserved for it.
    const charged = this.#isTranscription ? this.#heard.size : this.#open.size;
    this.unreported += this.#open.size + this.#heard.size;
    this.#open.clear();
    this.#heard.clear();
    if (charged > 0) this.#account.addUnreported(charged);
  }

  /** Audio that was committed is transcribed, and reported as such or as failed. */
  #transcribe({ type, item_id }: Json): void {
    if (typeof item_id !== 'string') return;
    const id = item_id.slice(0, NAME_MAX_CHARS);
    if (type === 'input_audio_buffer.committed') {
      const isHeard = this.#transcriptionModel !== undefined && this.#heard.size < OPEN_MAX;
      if (isHeard) this.#heard.add(id);
    } else if (type === TRANSCRIBED || type === TRANSCRIPTION_FAILED) this.#heard.delete(id);
  }

  #configure(session: unknown): void {
    if (!isObject(session)) return;
    const { type, max_output_tokens } = session;
    this.#isTranscription = type === 'transcription';
    this.#maxOutputTokens = typeof max_output_tokens === 'number' ? max_output_tokens : undefined;
    this.#transcriptionModel = transcriptionModelOf(session);
  }

  #begin(response: unknown): void {
    const id = isObject(response) ? response.id : undefined;
    if (typeof id !== 'string' || this.#open.size >= OPEN_MAX) return;
    this.#open.add(id.slice(0, NAME_MAX_CHARS));
    // The first has its reservation already; each beside it needs one.
    if (this.#open.size > 1) this.#turn();
  }

  #finish(response: unknown, isReported: boolean): void {
    const { id, status } = isObject(response) ? response : {};
    if (typeof id === 'string') this.#open.delete(id.slice(0, NAME_MAX_CHARS));
    if (isReported || status === UNBILLED) return;
    this.unreported += 1;
    this.#account.addUnreported(1);
    this.#turn();
  }

  #turn(): void {
    this.#account.turn({
      inputTokens: this.#inputTokens,
      maxOutputTokens: this.#maxOutputTokens,
      transcriptionModel: this.#transcriptionModel,
      responses: this.#open.size,
    });
    const { reserving } = this.#account;
    if (reserving !== undefined) this.#onReserving?.(reserving);
  }
}

/** How the user is heard in this configuration (GA shape); empty where it says nothing of that. */
export function audioInputOf(session: unknown): Json {
  const audio = isObject(session) ? session.audio : undefined;
  const input = isObject(audio) ? audio.input : undefined;
  return isObject(input) ? input : {};
}

/** The model that transcribes the user in this configuration (GA shape). */
export function transcriptionModelOf(session: Json): string | undefined {
  const input = audioInputOf(session);
  const transcription = isObject(input.transcription) ? input.transcription : {};
  const { model } = transcription;
  return typeof model === 'string' ? model.slice(0, NAME_MAX_CHARS) : undefined;
}

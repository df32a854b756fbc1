import { audioInputOf } from '../meter.ts';
import { isObject, type Json } from '../preview/session.ts';
import { applyMask, EVENT_TYPE } from '../relay/index.ts';
import { parse } from '../tap.ts';
import { type Append, Recent } from './recent.ts';

/**
 * What a client has sent and the upstream has not answered yet, in its order: another upstream gets
 * it again. Events leave with their answer. Audio leaves when the provider has made an item of it
 * (which gets it then); before anybody speaks, all but the newest leaves, from which a provider
 * that listens by itself takes the beginning of a word.
 *
 * Bounded by `UNANSWERED_MAX_BYTES`; what is lost then is counted, the oldest first.
 */
const UNANSWERED_MAX_BYTES = 4 * 1024 * 1024;

/** What answers an event; an `error` that names the event answers it too. */
const ANSWERS: Readonly<Record<string, readonly string[]>> = {
  'session.update': ['session.updated'],
  'conversation.item.create': ['conversation.item.added', 'conversation.item.created'],
  'conversation.item.delete': ['conversation.item.deleted'],
  'conversation.item.truncate': ['conversation.item.truncated'],
  'conversation.item.retrieve': ['conversation.item.retrieved'],
  'response.create': ['response.created'],
  'input_audio_buffer.commit': ['input_audio_buffer.committed'],
  'input_audio_buffer.clear': ['input_audio_buffer.cleared'],
};

/** What errors are about that may come without an event's id. */
const REFUSED: Readonly<Record<string, string>> = {
  conversation_already_has_active_response: 'response.create',
  input_audio_buffer_commit_empty: 'input_audio_buffer.commit',
};

interface Event {
  readonly kind: 'event';
  readonly type: string;
  readonly eventId: unknown;
  readonly text: string;
}

interface Audio extends Append {
  readonly kind: 'audio';
}

type Entry = Event | Audio;

export class Unanswered {
  /** Events and appends that could not be kept. */
  lost = 0;
  #entries: Entry[] = [];
  /** Audio of before anybody spoke. */
  readonly #before = new Recent();
  #sizeBytes = 0;
  /** How many entries had come when the user fell silent. */
  #spoken: number | undefined;
  #isSpeaking = false;
  /** The provider notices by itself when somebody speaks. */
  #listens = true;

  /** An append of audio; null: one that was too long to be kept. */
  audio(payload: Buffer | null, mask: number): void {
    if (payload === null) {
      this.lost += 1;
      return;
    }
    const isKept = this.#isSpeaking || !this.#listens || this.#spoken !== undefined;
    if (isKept) this.#push({ kind: 'audio', payload: Buffer.from(payload), mask });
    else this.#before.push(payload, mask);
  }

  /** Any other event of the client's; one that is cut cannot be sent again. */
  event(text: string, isCut = false): void {
    const type = EVENT_TYPE.exec(text)?.[1] ?? '';
    if (ANSWERS[type] === undefined) return;
    if (isCut) {
      this.lost += 1;
      return;
    }
    if (type.startsWith('input_audio_buffer.')) this.#takeBefore();
    this.#push({ kind: 'event', type, eventId: parse(text)?.event_id, text });
  }

  /** An event of the provider's. Answers the audio that it has made an item of. */
  server(event: Json): Buffer | undefined {
    const { type } = event;
    if (typeof type !== 'string') return undefined;
    if (type === 'session.created' || type === 'session.updated') this.#configure(event.session);
    if (type === 'input_audio_buffer.speech_started') {
      this.#isSpeaking = true;
      this.#spoken = undefined;
      this.#takeBefore();
    } else if (type === 'input_audio_buffer.speech_stopped') {
      this.#isSpeaking = false;
      this.#spoken = this.#entries.length;
    } else if (type === 'error') this.#refuse(event.error);
    const isAnswered = (entry: Entry) =>
      entry.kind === 'event' && ANSWERS[entry.type]!.includes(type);
    const at = this.#entries.findIndex(isAnswered);
    const isEnd = type === 'input_audio_buffer.committed' || type === 'input_audio_buffer.cleared';
    const audio = isEnd ? this.#takeAudio(at >= 0 ? at : (this.#spoken ?? 0)) : undefined;
    this.#remove(isAnswered);
    return type === 'input_audio_buffer.committed' ? audio : undefined;
  }

  /** All of it as the messages that it was. */
  texts(): string[] {
    this.#takeBefore();
    return this.#entries.map(entry => (entry.kind === 'event' ? entry.text : textOf(entry)));
  }

  /** Takes what another process had not got an answer to. */
  restore(texts: readonly string[]): void {
    for (const text of texts) {
      const type = EVENT_TYPE.exec(text)?.[1];
      if (type === 'input_audio_buffer.append') this.audio(Buffer.from(text), 0);
      else this.event(text);
    }
  }

  get asksForResponse(): boolean {
    return this.#entries.some(entry => entry.kind === 'event' && entry.type === 'response.create');
  }

  /** The upstream is gone, and what it had noticed with it. */
  forgetSpeech(): void {
    this.#isSpeaking = false;
    this.#spoken = undefined;
  }

  #configure(session: unknown): void {
    this.#listens = audioInputOf(session).turn_detection !== null;
    if (!this.#listens) this.#takeBefore();
  }

  #takeBefore(): void {
    for (const append of this.#before.take()) this.#push({ kind: 'audio', ...append });
  }

  #push(entry: Entry): void {
    this.#entries.push(entry);
    this.#sizeBytes += sizeOf(entry);
    while (this.#sizeBytes > UNANSWERED_MAX_BYTES) {
      this.#drop(1);
      this.lost += 1;
    }
  }

  #drop(count: number): void {
    for (const entry of this.#entries.splice(0, count)) this.#sizeBytes -= sizeOf(entry);
    if (this.#spoken !== undefined) this.#spoken = Math.max(0, this.#spoken - count);
  }

  /** Removes the first such entry. */
  #remove(matches: (entry: Entry) => boolean): void {
    const at = this.#entries.findIndex(matches);
    if (at < 0) return;
    this.#sizeBytes -= sizeOf(this.#entries[at]!);
    this.#entries.splice(at, 1);
    if (this.#spoken !== undefined && at < this.#spoken) this.#spoken -= 1;
  }

  #refuse(error: unknown): void {
    const { event_id: eventId, code } = isObject(error) ? error : {};
    if (typeof eventId === 'string') {
      this.#remove(entry => entry.kind === 'event' && entry.eventId === eventId);
      return;
    }
    // One that names none answers what it is about, else the oldest.
    const about = typeof code === 'string' ? REFUSED[code] : undefined;
    this.#remove(entry => entry.kind === 'event' && entry.type === (about ?? entry.type));
  }

  /** The audio among the first entries, which leave. */
  #takeAudio(count: number): Buffer {
    const taken: Buffer[] = [];
    const isTaken = (entry: Entry, at: number): entry is Audio =>
      at < count && entry.kind === 'audio';
    for (const [at, entry] of this.#entries.entries()) {
      if (!isTaken(entry, at)) continue;
      taken.push(soundOf(entry));
      this.#sizeBytes -= sizeOf(entry);
    }
    this.#entries = this.#entries.filter((entry, at) => !isTaken(entry, at));
    this.#spoken = undefined;
    return Buffer.concat(taken);
  }
}

function sizeOf(entry: Entry): number {
  return entry.kind === 'event' ? entry.text.length : entry.payload.length;
}

function textOf({ payload, mask }: Audio): string {
  const plain = Buffer.from(payload);
  applyMask(plain, mask, 0);
  return plain.toString('utf8');
}

function soundOf(entry: Audio): Buffer {
  const audio = parse(textOf(entry))?.audio;
  return typeof audio === 'string' ? Buffer.from(audio, 'base64') : Buffer.alloc(0);
}

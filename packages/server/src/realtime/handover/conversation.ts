import { audioInputOf } from '../meter.ts';
import { isObject, type Json } from '../preview/session.ts';
import { parse } from '../tap.ts';

/**
 * What a fresh upstream has to be told so that a conversation goes on: its configuration, its items
 * in their order with the provider's ids, and what was under way. Read from the provider's events
 * (GA); it never speaks itself. Of what was said only the words can be given back: a fresh upstream
 * takes no audio of an assistant, so that it goes on in another voice's state.
 *
 * Bounded: beyond `CONVERSATION_MAX_BYTES` the oldest items are forgotten, and counted.
 */
const CONVERSATION_MAX_BYTES = 4 * 1024 * 1024;
/** Of one item: what its fields take besides its texts and its audio. */
const ITEM_BYTES = 512;
/** About what a voice says in a second; of a cut answer nothing tells which words were heard. */
const SPOKEN_CHARS_PER_S = 15;
/** Stands for speech whose audio is no longer kept and of which there is no transcript. */
const UNKNOWN_SPEECH = '[The user said something here that is not known any more.]';

interface Item {
  value: Json;
  /** Of `value` alone, and of all. */
  valueBytes: number;
  sizeBytes: number;
  /** What the user said, as audio of the session's input format. */
  audio?: Buffer | undefined;
  transcript?: string;
  /** How much of an answer the user heard. */
  heardMs?: number;
}

interface OpenResponse {
  readonly response: Json;
  /** A function call of it has reached the client, which will act on it. */
  hasCall: boolean;
  /** It leaves nothing in the conversation. */
  readonly isAside: boolean;
  /** Its newest item is an answer that is whole: only the response's own end is missing. */
  isAnswered: boolean;
}

export interface Replay {
  /** Items for `conversation.item.create`, in their order. */
  readonly items: readonly Json[];
  /** How many items are not among them, because they were too much or cannot be given back. */
  readonly leftOut: number;
}

/** As JSON; `audio` is base64. */
export interface ConversationRecord {
  readonly config?: Json | undefined;
  readonly items: readonly {
    readonly value: Json;
    readonly audio?: string | undefined;
    readonly transcript?: string | undefined;
    readonly heardMs?: number | undefined;
  }[];
  readonly forgotten: number;
}

export class Conversation {
  /** As the provider reports it; undefined before its first word. */
  config: Json | undefined;
  /** The user is speaking, as far as the provider has noticed. */
  isSpeaking = false;
  /** Raised by whatever changes what a replay would be. */
  version = 0;
  readonly #items = new Map<string, Item>();
  #order: string[] = [];
  readonly #open = new Map<string, OpenResponse>();
  /** The user has said something that the provider answers by itself, and has not begun to. */
  #owesAnswer = false;
  /** Events with pieces of the words of responses under way, unparsed. */
  #deltas: string[] = [];
  #deltaBytes = 0;
  #sizeBytes = 0;
  #forgotten = 0;

  /** An event of the provider's; of one that is cut, its item cannot be given back. */
  server(event: Json, isCut = false): void {
    if (isCut && isObject(event.item)) {
      this.server({ ...event, item: { id: event.item.id, type: 'cut' } });
      return;
    }
    const { type, item_id } = event;
    if (typeof type !== 'string') return;
    const item = typeof item_id === 'string' ? this.#items.get(item_id) : undefined;
    switch (type) {
      case 'session.created':
      case 'session.updated':
        if (isObject(event.session)) this.config = event.session;
        break;
      case 'input_audio_buffer.speech_started':
        this.isSpeaking = true;
        break;
      case 'input_audio_buffer.committed':
        this.isSpeaking = false;
        this.#owesAnswer = answersSpeech(this.config);
        break;
      case 'input_audio_buffer.speech_stopped':
      case 'input_audio_buffer.cleared':
        this.isSpeaking = false;
        break;
      case 'conversation.item.added':
      case 'conversation.item.created':
      case 'conversation.item.done':
        this.#put(event);
        break;
      case 'response.output_item.added':
      case 'response.output_item.done':
        this.#output(event);
        break;
      case 'response.function_call_arguments.done':
        // Many a client acts on this already.
        if (item) {
          const { arguments: given } = event;
          this.#put({ item: { ...item.value, arguments: given, status: 'completed' } });
        }
        break;
      case 'conversation.item.deleted':
        if (typeof item_id === 'string') this.#forget(item_id);
        break;
      case 'conversation.item.truncated':
        if (item && typeof event.audio_end_ms === 'number') item.heardMs = event.audio_end_ms;
        break;
      case 'conversation.item.input_audio_transcription.completed':
        if (item && typeof event.transcript === 'string') this.#transcribe(item, event.transcript);
        break;
      case 'response.created':
        this.#begin(event.response);
        break;
      case 'response.done':
        this.#finish(event.response);
        break;
      default:
        return;
    }
    this.version += 1;
  }

  /** A piece of an answer's words, as the event that it is. */
  delta(text: string): void {
    if (this.#open.size === 0 || this.#deltaBytes >= CONVERSATION_MAX_BYTES) return;
    this.#deltas.push(text);
    this.#deltaBytes += text.length;
  }

  /** What the user said in an item, where the provider made one of it. */
  said(itemId: string, audio: Buffer): void {
    const item = this.#items.get(itemId);
    if (item === undefined || audio.length === 0) return;
    item.audio = audio;
    this.#grow(item, audio.length);
  }

  /** The responses under way, as they were announced. */
  get open(): readonly Json[] {
    return [...this.#open.values()].map(({ response }) => response);
  }

  /** Nothing is under way, so that another upstream may take over unnoticed. */
  get isQuiet(): boolean {
    return this.#open.size === 0 && !this.isSpeaking && !this.#owesAnswer;
  }

  /** A response was cut that nothing else will have answered: not the client, not the user. */
  get needsResponse(): boolean {
    if (this.isSpeaking) return false;
    const open = [...this.#open.values()].filter(({ isAside }) => !isAside);
    if (open.length === 0) return this.#owesAnswer;
    return open.every(({ hasCall, isAnswered }) => !hasCall && !isAnswered);
  }

  /** What was under way has ended with its upstream. What was said of it stays. */
  cut(): void {
    for (const [id, words] of this.#cutWords()) {
      const item = this.#items.get(id);
      if (item) this.#transcribe(item, words);
    }
    this.#open.clear();
    this.#deltas = [];
    this.#deltaBytes = 0;
    this.isSpeaking = false;
    this.#owesAnswer = false;
    this.version += 1;
  }

  /** For another process, once what was under way is `cut`. */
  record(): ConversationRecord {
    const items = this.#order.map(id => {
      const { value, audio, transcript, heardMs } = this.#items.get(id)!;
      return { value, audio: audio?.toString('base64'), transcript, heardMs };
    });
    return { config: this.config, items, forgotten: this.#forgotten };
  }

  restore({ config, items, forgotten }: ConversationRecord): void {
    this.config = config;
    this.#forgotten = forgotten;
    for (const { value, audio, transcript, heardMs } of items) {
      const id = String(value.id);
      this.#put({ item: value });
      if (audio !== undefined) this.said(id, Buffer.from(audio, 'base64'));
      const item = this.#items.get(id);
      if (item === undefined) continue;
      if (transcript !== undefined) this.#transcribe(item, transcript);
      if (heardMs !== undefined) item.heardMs = heardMs;
    }
  }

  /** What a fresh upstream is to be told. */
  replay(): Replay {
    const items: Json[] = [];
    for (const id of this.#order) {
      const value = givenBack(id, this.#items.get(id)!);
      if (value !== undefined) items.push(value);
    }
    return { items, leftOut: this.#forgotten + this.#order.length - items.length };
  }

  #cutWords(): Map<string, string> {
    const words = new Map<string, string>();
    for (const text of this.#deltas) {
      const event = parse(text);
      if (typeof event?.item_id !== 'string' || typeof event.delta !== 'string') continue;
      words.set(event.item_id, (words.get(event.item_id) ?? '') + event.delta);
    }
    return words;
  }

  #output(event: Json): void {
    const { item } = event;
    const open = this.#newest;
    const isDone = event.type === 'response.output_item.done';
    if (open && isObject(item)) open.isAnswered = isDone && item.type === 'message';
    if (isDone) this.#put(event);
  }

  get #newest(): OpenResponse | undefined {
    return [...this.#open.values()].at(-1);
  }

  #put({ item: value, previous_item_id: previous }: Json): void {
    if (!isObject(value) || typeof value.id !== 'string') return;
    const { id } = value;
    const isCall = value.type === 'function_call' && value.status === 'completed';
    if (isCall && this.#newest) this.#newest.hasCall = true;
    const sizeBytes = ITEM_BYTES + JSON.stringify(value).length;
    const known = this.#items.get(id);
    if (known !== undefined) {
      known.value = value;
      this.#grow(known, sizeBytes - known.valueBytes);
      known.valueBytes = sizeBytes;
      return;
    }
    this.#place(id, previous);
    const item: Item = { value, valueBytes: sizeBytes, sizeBytes: 0 };
    this.#items.set(id, item);
    this.#grow(item, sizeBytes);
  }

  #place(id: string, previous: unknown): void {
    const after = typeof previous === 'string' ? this.#order.lastIndexOf(previous) : -1;
    if (previous === null) this.#order.unshift(id);
    else if (after >= 0) this.#order.splice(after + 1, 0, id);
    else this.#order.push(id);
  }

  #transcribe(item: Item, transcript: string): void {
    item.transcript = transcript;
    // The words are enough; they are much shorter.
    const audioBytes = item.audio?.length ?? 0;
    item.audio = undefined;
    this.#grow(item, transcript.length - audioBytes);
  }

  #grow(item: Item, bytes: number): void {
    item.sizeBytes += bytes;
    this.#sizeBytes += bytes;
    while (this.#sizeBytes > CONVERSATION_MAX_BYTES && this.#order.length > 1) {
      this.#forget(this.#order[0]!);
      this.#forgotten += 1;
    }
  }

  #forget(id: string): void {
    const item = this.#items.get(id);
    if (item === undefined) return;
    this.#sizeBytes -= item.sizeBytes;
    this.#items.delete(id);
    this.#order = this.#order.filter(other => other !== id);
  }

  #begin(response: unknown): void {
    if (!isObject(response) || typeof response.id !== 'string') return;
    const isAside = response.conversation_id === null;
    if (!isAside) this.#owesAnswer = false;
    this.#open.set(response.id, { response, isAside, hasCall: false, isAnswered: false });
  }

  #finish(response: unknown): void {
    if (!isObject(response) || typeof response.id !== 'string') return;
    this.#open.delete(response.id);
    if (this.#open.size > 0) return;
    this.#deltas = [];
    this.#deltaBytes = 0;
  }
}

/** Whether the provider answers by itself what it has heard. */
function answersSpeech(config: Json | undefined): boolean {
  const { turn_detection: detection } = audioInputOf(config);
  return isObject(detection) && detection.create_response !== false;
}

/** An item as a client would create it; undefined where that is not possible. */
function givenBack(id: string, item: Item): Json | undefined {
  const { value } = item;
  if (value.type === 'function_call') {
    const { call_id, name, arguments: given, status } = value;
    if (status !== 'completed') return undefined;
    return { id, type: 'function_call', call_id, name, arguments: given };
  }
  if (value.type === 'function_call_output') {
    return { id, type: 'function_call_output', call_id: value.call_id, output: value.output };
  }
  if (value.type !== 'message') return undefined;
  const parts = (Array.isArray(value.content) ? value.content : []).filter(isObject);
  const content =
    value.role === 'assistant' ? answered(parts, item) : parts.flatMap(part => asked(part, item));
  return content.length === 0 ? undefined : { id, type: 'message', role: value.role, content };
}

function asked(part: Json, { transcript, audio }: Item): Json[] {
  if (part.type !== 'input_audio') return [part];
  const words = transcript ?? part.transcript;
  if (typeof words === 'string' && words !== '') return [{ type: 'input_text', text: words }];
  if (audio !== undefined) return [{ type: 'input_audio', audio: audio.toString('base64') }];
  return [{ type: 'input_text', text: UNKNOWN_SPEECH }];
}

function answered(parts: readonly Json[], { transcript, heardMs }: Item): Json[] {
  const texts = parts.map(({ text, transcript: spoken }) => text ?? spoken);
  const words = texts.filter(text => typeof text === 'string').join('') || (transcript ?? '');
  const text = heardMs === undefined ? words : heard(words, heardMs);
  return text === '' ? [] : [{ type: 'output_text', text }];
}

function heard(words: string, heardMs: number): string {
  const chars = Math.ceil((heardMs / 1000) * SPOKEN_CHARS_PER_S);
  if (words.length <= chars) return words;
  const cut = words.slice(0, chars);
  return cut.slice(0, Math.max(cut.lastIndexOf(' '), 0) || chars);
}

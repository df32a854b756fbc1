/**
 * Turn taking: from the user's audio to a conversation item, its transcription, and a response.
 *
 * Turn detection decides when a turn begins (which interrupts the model, if so configured) and
 * ends (which commits it and asks for a response, if so configured). Without detection the client
 * commits, and asks itself. When the model has spoken and the user stays silent for
 * `idle_timeout_ms`, the empty stretch is committed and the model asked to go on.
 */
import { msOf, toBytes } from '../audio/pcm.ts';
import type { Cancel } from '../clock.ts';
import type { SessionHost } from './host.ts';
import { InputBuffer } from './input-buffer.ts';
import type { MessageItem } from './items.ts';
import { transcribe } from './transcription.ts';

/** What turns need beyond the host: the session's verbs. */
export interface TurnHost extends SessionHost {
  /** The transcript that the script has for the user's coming turn. */
  heardNext(): string | undefined;
  /** Stops the model, because the user speaks. */
  interrupt(): void;
  /** Asks for a response; waits for a running one to end. */
  respond(): void;
}

export class Turns {
  readonly #host: TurnHost;
  readonly #buffer = new InputBuffer();
  #itemId: string | undefined;
  #cancelIdle: Cancel = () => {};
  readonly #cancels = new Set<Cancel>();

  constructor(host: TurnHost) {
    this.#host = host;
    this.configure();
  }

  get #detection() {
    return this.#host.config.audio.input.turn_detection;
  }

  /** Takes over a changed configuration. */
  configure(): void {
    this.#buffer.configure(this.#detection);
    if (this.#detection === null) this.#itemId = undefined;
  }

  push(samples: Int16Array): void {
    for (const event of this.#buffer.push(samples)) {
      if (event.type === 'started') this.#onStarted(event.startMs);
      else this.#onStopped(event.endMs, event.samples);
    }
  }

  commit(): void {
    this.#commit(this.#host.random.id('item'), this.#buffer.commit());
  }

  clear(): void {
    this.#buffer.clear();
    this.#itemId = undefined;
  }

  /** The model has finished; `playingMs` of its voice may still be playing at the user's. */
  modelFinished(playingMs: number): void {
    const detection = this.#detection;
    if (detection?.type !== 'server_vad' || detection.idle_timeout_ms === null) return;
    if (this.#buffer.speaking) return;
    const startMs = this.#buffer.positionMs;
    this.#cancelIdle();
    this.#cancelIdle = this.#host.clock.after(playingMs + detection.idle_timeout_ms, () =>
      this.#onIdle(startMs),
    );
  }

  /** The model begins: the user is not being waited for. */
  modelStarted(): void {
    this.#cancelIdle();
  }

  close(): void {
    this.#cancelIdle();
    for (const cancel of this.#cancels) cancel();
    this.#cancels.clear();
  }

  #onStarted(startMs: number): void {
    this.#cancelIdle();
    this.#itemId = this.#host.random.id('item');
    this.#host.emit({
      type: 'input_audio_buffer.speech_started',
      audio_start_ms: startMs,
      item_id: this.#itemId,
    });
    if (this.#detection?.interrupt_response) this.#host.interrupt();
  }

  #onStopped(endMs: number, samples: Int16Array): void {
    const itemId = this.#itemId ?? this.#host.random.id('item');
    this.#itemId = undefined;
    this.#host.emit({
      type: 'input_audio_buffer.speech_stopped',
      audio_end_ms: endMs,
      item_id: itemId,
    });
    this.#commit(itemId, samples);
    if (this.#detection?.create_response) this.#host.respond();
  }

  #onIdle(startMs: number): void {
    const itemId = this.#host.random.id('item');
    this.#host.emit({
      type: 'input_audio_buffer.timeout_triggered',
      audio_start_ms: startMs,
      audio_end_ms: this.#buffer.positionMs,
      item_id: itemId,
    });
    this.#buffer.clear();
    this.#commit(itemId, new Int16Array(0));
    this.#host.respond();
  }

  #commit(itemId: string, samples: Int16Array): void {
    const { conversation } = this.#host;
    const item: MessageItem = {
      id: itemId,
      object: 'realtime.item',
      type: 'message',
      status: 'completed',
      role: 'user',
      content: [{ type: 'input_audio', transcript: null }],
    };
    const previous_item_id = conversation.lastId;
    this.#host.emit({ type: 'input_audio_buffer.committed', previous_item_id, item_id: itemId });
    conversation.insert(item);
    if (samples.length > 0) conversation.keepAudio(itemId, samples);
    this.#host.emit({ type: 'conversation.item.added', previous_item_id, item });
    this.#host.emit({ type: 'conversation.item.done', previous_item_id, item });
    this.#transcribe(item, samples);
  }

  #transcribe(item: MessageItem, samples: Int16Array): void {
    const { transcription } = this.#host.config.audio.input;
    if (transcription === null || transcription === undefined || samples.length === 0) return;
    const heard = this.#host.heardNext();
    const cancel = this.#host.clock.after(this.#host.behaviour.transcriptionDelayMs, () => {
      this.#cancels.delete(cancel);
      transcribe(this.#host, item, {
        model: transcription.model ?? '',
        durationMs: msOf(samples.length),
        ...(heard === undefined ? {} : { heard }),
      });
    });
    this.#cancels.add(cancel);
  }
}

/** A user's audio item as `conversation.item.retrieved` shows it. */
export function withAudio(item: MessageItem, samples: Int16Array | undefined): MessageItem {
  if (samples === undefined) return item;
  const audio = toBytes(samples).toString('base64');
  const content = item.content.map(part =>
    part.type === 'input_audio' ? { ...part, audio } : part,
  );
  return { ...item, content };
}

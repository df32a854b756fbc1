import type { AudioOutput } from './audio.ts';
import { known, type ServerEvent } from './events.ts';
import { fromBase64, fromBytes } from './pcm.ts';

/**
 * The model's voice over WebSocket: plays what arrives, and when the user breaks in stops the sound
 * at once, reports to the model how much was played (`conversation.item.truncate`), and drops
 * the rest of the same answer that is still on its way. Over WebRTC the model's side does
 * all of that itself and is only asked to.
 */
export class Answers {
  private readonly output: AudioOutput | null;
  private readonly send: (event: object) => boolean;
  private readonly active = new Set<string>();
  /** Answers and items that were cut off; only the newest can still have sound on its way. */
  private readonly cut: string[] = [];
  private newestItem: string | null = null;
  /** False where the configuration disables interruption by speech. */
  private speechInterrupts = true;

  constructor(output: AudioOutput | null, send: (event: object) => boolean) {
    this.output = output;
    this.send = send;
  }

  apply(event: ServerEvent, kind: 'websocket' | 'webrtc'): void {
    const e = known(event);
    if (e.type === 'response.created') this.active.add(e.response?.id ?? '');
    else if (e.type === 'response.done') this.active.delete(e.response?.id ?? '');
    if (kind !== 'websocket') return;
    if (e.type === 'session.created' || e.type === 'session.updated') {
      const detection = e.session?.audio?.input?.turn_detection;
      if (detection !== undefined) this.speechInterrupts = detection?.interrupt_response !== false;
    } else if (e.type === 'response.output_audio.delta') {
      this.play(e);
    } else if (e.type === 'input_audio_buffer.speech_started' && this.speechInterrupts) {
      void this.silence();
    }
  }

  /** The user pressed stop or typed: also cancels what is still being made. */
  async stop(kind: 'websocket' | 'webrtc'): Promise<void> {
    for (const id of this.active) this.send({ type: 'response.cancel', response_id: id });
    if (kind === 'webrtc') this.send({ type: 'output_audio_buffer.clear' });
    else await this.silence();
  }

  private play(piece: {
    response_id?: string;
    item_id?: string;
    content_index?: number;
    delta?: string;
  }): void {
    const {
      response_id: responseId = '',
      item_id: itemId,
      content_index: contentIndex = 0,
    } = piece;
    if (!itemId || this.cut.includes(itemId) || this.cut.includes(responseId)) return;
    const bytes = fromBase64(piece.delta ?? '');
    if (bytes === null || bytes.length < 2) return;
    this.newestItem = itemId;
    this.output?.enqueue({ itemId, contentIndex, pcm: fromBytes(bytes) });
  }

  private async silence(): Promise<void> {
    for (const id of this.active) this.remember(id);
    if (this.newestItem !== null) this.remember(this.newestItem);
    const played = (await this.output?.clear()) ?? null;
    if (played === null) return;
    this.send({
      type: 'conversation.item.truncate',
      item_id: played.itemId,
      content_index: played.contentIndex,
      audio_end_ms: Math.floor(played.playedMs),
    });
  }

  private remember(id: string): void {
    if (id === '' || this.cut.includes(id)) return;
    this.cut.push(id);
    if (this.cut.length > CUT_MAX) this.cut.shift();
  }
}

const CUT_MAX = 64;

import { type PlayedPosition, SAMPLE_RATE_HZ } from '../voice/audio.ts';

/**
 * The sound to play, in order, and exactly how much of it was played. The audio thread pulls it in
 * small blocks. Needs no browser.
 *
 *   silent ─enqueue─▶ gathering ─enough or waited─▶ playing ─empty for HOLD─▶ silent
 *
 * Buffering before the first sound hides an uneven network; holding the state a little after the
 * last keeps "speaking" from flickering between two pieces.
 */
export interface Piece {
  itemId: string;
  contentIndex: number;
  pcm: Int16Array;
}

export const GATHER_SAMPLES = Math.round(0.08 * SAMPLE_RATE_HZ);
export const HOLD_SAMPLES = Math.round(0.25 * SAMPLE_RATE_HZ);
/** Fifteen minutes. Beyond it the queue refuses new sound; the transcript still arrives. */
export const QUEUE_MAX_SAMPLES = 15 * 60 * SAMPLE_RATE_HZ;

export class PlaybackQueue {
  private readonly pieces: Piece[] = [];
  private offset = 0;
  private queuedSamples = 0;
  private state: 'silent' | 'gathering' | 'playing' = 'silent';
  /** Samples of silence given while gathering or holding. */
  private idleSamples = 0;
  private heard: { itemId: string; contentIndex: number; samples: number } | null = null;

  get playing(): boolean {
    return this.state === 'playing';
  }

  /** False where the queue is full and the piece was not taken. */
  enqueue(piece: Piece): boolean {
    if (this.queuedSamples + piece.pcm.length > QUEUE_MAX_SAMPLES) return false;
    this.pieces.push(piece);
    this.queuedSamples += piece.pcm.length;
    if (this.state === 'silent') {
      this.state = 'gathering';
      this.idleSamples = 0;
    }
    return true;
  }

  /** Fills `out` with the next samples, and with silence where there are none. */
  pull(out: Float32Array): void {
    out.fill(0);
    if (this.state === 'gathering') {
      this.idleSamples += out.length;
      const enough = this.queuedSamples >= GATHER_SAMPLES || this.idleSamples >= GATHER_SAMPLES;
      if (!enough) return;
      this.state = 'playing';
      this.idleSamples = 0;
    }
    if (this.state === 'playing') this.play(out);
  }

  /** Drops what was not played; null where the queue was empty. */
  clear(): PlayedPosition | null {
    const next = this.pieces[0];
    const wasSilent = this.state === 'silent';
    this.pieces.length = 0;
    this.offset = 0;
    this.queuedSamples = 0;
    this.state = 'silent';
    if (wasSilent) return null;
    const { heard } = this;
    if (next && heard?.itemId !== next.itemId) {
      return { itemId: next.itemId, contentIndex: next.contentIndex, playedMs: 0 };
    }
    if (heard === null) return null;
    const playedMs = (heard.samples / SAMPLE_RATE_HZ) * 1000;
    return { itemId: heard.itemId, contentIndex: heard.contentIndex, playedMs };
  }

  private play(out: Float32Array): void {
    let filled = 0;
    while (filled < out.length && this.pieces.length > 0) {
      filled += this.copy(out, filled);
    }
    this.idleSamples = filled === out.length ? 0 : this.idleSamples + out.length - filled;
    if (this.idleSamples >= HOLD_SAMPLES) this.state = 'silent';
  }

  private copy(out: Float32Array, at: number): number {
    const piece = this.pieces[0]!;
    const take = Math.min(out.length - at, piece.pcm.length - this.offset);
    for (let i = 0; i < take; i++) out[at + i] = piece.pcm[this.offset + i]! / 32_768;
    this.offset += take;
    this.queuedSamples -= take;
    this.count(piece, take);
    if (this.offset === piece.pcm.length) {
      this.pieces.shift();
      this.offset = 0;
    }
    return take;
  }

  private count({ itemId, contentIndex }: Piece, samples: number): void {
    if (this.heard?.itemId === itemId) this.heard.samples += samples;
    else this.heard = { itemId, contentIndex, samples };
  }
}

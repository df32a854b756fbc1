/**
 * The input audio buffer: what the user said since the last commit, and where their turns begin and
 * end. With turn detection on, silence older than the prefix padding is dropped at once, so an open
 * microphone costs nothing; with it off, everything is kept until commit or clear, up to
 * MAX_INPUT_BUFFER_SAMPLES.
 */
import { concat, msOf, samplesOf, WINDOW_SAMPLES } from '../audio/pcm.ts';
import { MAX_INPUT_BUFFER_SAMPLES } from '../limits.ts';
import { EnergyVad } from '../vad.ts';
import type { TurnDetection } from './config.ts';
import { ProtocolError } from './errors.ts';

const MIN_COMMIT_MS = 100;
/** Speech is noticed a few windows after it began; that much more than the padding must stay. */
const ONSET_SAMPLES = 4 * WINDOW_SAMPLES;
const SEMANTIC_PREFIX_MS = 300;
/** Energy carries no meaning, so eagerness becomes the length of silence that ends a turn. */
const SILENCE_BY_EAGERNESS_MS = { high: 300, medium: 500, auto: 500, low: 1_000 };

export type TurnEvent =
  | { type: 'started'; startMs: number }
  | { type: 'stopped'; endMs: number; samples: Int16Array };

interface Chunk {
  start: number;
  samples: Int16Array;
}

export class InputBuffer {
  #chunks: Chunk[] = [];
  #position = 0;
  #vad: EnergyVad | undefined;
  #prefixSamples = 0;
  #speechStart = 0;
  /** Audio before this belongs to an earlier commit. */
  #floor = 0;

  get speaking(): boolean {
    return this.#vad?.speaking ?? false;
  }

  /** Milliseconds of audio received since the session began. */
  get positionMs(): number {
    return msOf(this.#position);
  }

  configure(detection: TurnDetection | null): void {
    if (detection === null) {
      this.#vad = undefined;
      return;
    }
    const server = detection.type === 'server_vad';
    const silenceDurationMs = server
      ? detection.silence_duration_ms
      : SILENCE_BY_EAGERNESS_MS[detection.eagerness];
    const config = { threshold: server ? detection.threshold : 0.5, silenceDurationMs };
    this.#prefixSamples = samplesOf(server ? detection.prefix_padding_ms : SEMANTIC_PREFIX_MS);
    if (this.#vad === undefined) this.#vad = new EnergyVad(config, this.#position);
    else this.#vad.configure(config);
  }

  /** Takes 24 kHz samples and owns them; returns the turns that began and ended in them. */
  push(samples: Int16Array): TurnEvent[] {
    if (samples.length === 0) return [];
    const kept = this.#position - (this.#chunks[0]?.start ?? this.#position);
    if (kept + samples.length > MAX_INPUT_BUFFER_SAMPLES) {
      throw new ProtocolError('input_audio_buffer_full', 'The input audio buffer is full.');
    }
    this.#chunks.push({ start: this.#position, samples });
    this.#position += samples.length;
    if (this.#vad === undefined) return [];
    const events: TurnEvent[] = [];
    for (const { type, atSample } of this.#vad.push(samples)) {
      if (type === 'started') {
        this.#speechStart = Math.max(this.#floor, atSample - this.#prefixSamples, 0);
        events.push({ type, startMs: msOf(this.#speechStart) });
      } else {
        const turn = this.#slice(this.#speechStart, atSample);
        this.#floor = atSample;
        events.push({ type, endMs: msOf(atSample), samples: turn });
      }
    }
    if (!this.#vad.speaking) {
      this.#dropBefore(this.#position - this.#prefixSamples - ONSET_SAMPLES);
    }
    return events;
  }

  /** Hands out everything that was not committed yet; throws when that is too little. */
  commit(): Int16Array {
    const from = Math.max(this.#floor, this.#chunks[0]?.start ?? this.#position);
    const bufferedMs = (this.#position - from) / samplesOf(1);
    if (bufferedMs < MIN_COMMIT_MS) {
      throw new ProtocolError(
        'input_audio_buffer_commit_empty',
        'Error committing input audio buffer: buffer too small. Expected at least ' +
          `${MIN_COMMIT_MS}ms of audio, but buffer only has ${bufferedMs.toFixed(2)}ms of audio.`,
      );
    }
    const samples = this.#slice(from, this.#position);
    this.clear();
    return samples;
  }

  clear(): void {
    this.#chunks = [];
    this.#floor = this.#position;
    this.#vad?.reset();
  }

  #slice(from: number, to: number): Int16Array {
    const parts: Int16Array[] = [];
    for (const { start, samples } of this.#chunks) {
      if (start + samples.length <= from || start >= to) continue;
      parts.push(samples.subarray(Math.max(0, from - start), to - start));
    }
    return concat(parts);
  }

  #dropBefore(sample: number): void {
    let drop = 0;
    for (const { start, samples } of this.#chunks) {
      if (start + samples.length > sample) break;
      drop += 1;
    }
    if (drop > 0) this.#chunks.splice(0, drop);
    const first = this.#chunks[0];
    // A piece much larger than what is needed would otherwise stay alive as a whole.
    if (first !== undefined && sample - first.start > first.samples.length / 2) {
      const cut = sample - first.start;
      this.#chunks[0] = { start: sample, samples: first.samples.slice(cut) };
    }
  }
}

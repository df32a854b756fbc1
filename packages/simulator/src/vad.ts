/**
 * Voice activity detection on signal energy.
 *
 * Audio arrives in pieces of any size and is judged in windows of 20 ms. Silence becomes speech
 * when three windows in a row are loud (a click is not speech); speech becomes silence when no
 * window was loud for `silenceDurationMs`. Time is counted in samples since the session began, so
 * the verdict depends on the audio alone, never on when it arrived.
 *
 * States: silent -> (onset) speaking -> (hangover, or MAX_UTTERANCE_MS) silent.
 */
import { rms, samplesOf, WINDOW_SAMPLES } from './audio/pcm.ts';
import { MAX_UTTERANCE_MS } from './limits.ts';

export interface VadConfig {
  /** 0 (hears everything) to 1 (hears only loud speech), as in the protocol. */
  threshold: number;
  silenceDurationMs: number;
}

/** `atSample` counts from the session's first sample. */
export interface VadEvent {
  type: 'started' | 'stopped';
  atSample: number;
}

const ONSET_WINDOWS = 3;
const QUIETEST_DBFS = -55;
const RANGE_DB = 30;

/** The loudness (0 to 1) above which a window counts as speech: -40 dBFS at the default of 0.5. */
export function loudnessAt(threshold: number): number {
  return 10 ** ((QUIETEST_DBFS + RANGE_DB * threshold) / 20);
}

export class EnergyVad {
  readonly #window = new Int16Array(WINDOW_SAMPLES);
  #filled = 0;
  #position: number;
  #loudness: number;
  #silenceSamples: number;
  #speaking = false;
  #loudRun = 0;
  #startedAt = 0;
  #lastLoudEnd = 0;

  constructor(config: VadConfig, startSample = 0) {
    this.#position = startSample;
    this.#loudness = loudnessAt(config.threshold);
    this.#silenceSamples = samplesOf(config.silenceDurationMs);
  }

  get speaking(): boolean {
    return this.#speaking;
  }

  /** New rules from the next window on; a running utterance goes on. */
  configure(config: VadConfig): void {
    this.#loudness = loudnessAt(config.threshold);
    this.#silenceSamples = samplesOf(config.silenceDurationMs);
  }

  /** Forgets a running utterance, for example after a manual commit. */
  reset(): void {
    this.#speaking = false;
    this.#loudRun = 0;
  }

  push(samples: Int16Array): VadEvent[] {
    const events: VadEvent[] = [];
    let at = 0;
    while (at < samples.length) {
      const take = Math.min(WINDOW_SAMPLES - this.#filled, samples.length - at);
      this.#window.set(samples.subarray(at, at + take), this.#filled);
      this.#filled += take;
      at += take;
      if (this.#filled < WINDOW_SAMPLES) break;
      this.#filled = 0;
      this.#position += WINDOW_SAMPLES;
      const event = this.#judge(rms(this.#window) >= this.#loudness);
      if (event !== undefined) events.push(event);
    }
    return events;
  }

  /** What this window begins or ends. */
  #judge(loud: boolean): VadEvent | undefined {
    if (loud) this.#lastLoudEnd = this.#position;
    this.#loudRun = loud ? this.#loudRun + 1 : 0;
    if (!this.#speaking) {
      if (this.#loudRun < ONSET_WINDOWS) return undefined;
      this.#speaking = true;
      this.#startedAt = this.#position - ONSET_WINDOWS * WINDOW_SAMPLES;
      return { type: 'started', atSample: this.#startedAt };
    }
    const quiet = this.#position - this.#lastLoudEnd >= this.#silenceSamples;
    const tooLong = this.#position - this.#startedAt >= samplesOf(MAX_UTTERANCE_MS);
    if (!quiet && !tooLong) return undefined;
    this.reset();
    return { type: 'stopped', atSample: this.#position };
  }
}

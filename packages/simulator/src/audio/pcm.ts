/**
 * PCM16 little-endian mono at 24 kHz, the form in which the simulator keeps all audio.
 */
export const SAMPLE_RATE = 24_000;
const SAMPLES_PER_MS = SAMPLE_RATE / 1000;
/** Window of speech detection and of the loudness envelope. */
export const WINDOW_MS = 20;
export const WINDOW_SAMPLES = WINDOW_MS * SAMPLES_PER_MS;

const FULL_SCALE = 32_768;

/** Samples of PCM16-LE bytes; an odd last byte is left out. Copies, so any alignment is fine. */
export function toSamples(bytes: Uint8Array): Int16Array {
  const even = bytes.byteLength - (bytes.byteLength % 2);
  const copy = new Uint8Array(even);
  copy.set(bytes.subarray(0, even));
  return new Int16Array(copy.buffer);
}

/** The bytes of `samples`, sharing their memory. */
export function toBytes(samples: Int16Array): Buffer {
  return Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
}

export function msOf(samples: number): number {
  return Math.round(samples / SAMPLES_PER_MS);
}

export function samplesOf(ms: number): number {
  return Math.round(ms * SAMPLES_PER_MS);
}

/** Root mean square of a stretch, 0 (silence) to 1 (full scale). */
export function rms(samples: Int16Array, from = 0, to = samples.length): number {
  if (to <= from) return 0;
  let sum = 0;
  for (let index = from; index < to; index++) {
    const value = samples[index] as number;
    sum += value * value;
  }
  return Math.sqrt(sum / (to - from)) / FULL_SCALE;
}

export function concat(parts: readonly Int16Array[]): Int16Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Int16Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

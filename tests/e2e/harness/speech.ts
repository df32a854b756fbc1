import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { findBinary } from '../../../tools/services/binaries.ts';

/**
 * A spoken sentence as a WAV file for a browser's pretended microphone, and the comparison of what
 * a listener got with it. The browser plays the file from the moment the microphone opens, with
 * or without a connection, and again from its start at its end: so the sentence stands between two
 * silences, and a listener that misses it gets it the next time.
 */
const run = promisify(execFile);
const SPEAK_TIMEOUT_MS = 60_000;
const WINDOW_MS = 20;
const FULL_SCALE = 32_768;
/** What belongs to the sentence: everything between the first and the last window this loud. */
const AUDIBLE_RMS = 0.01;

export interface SpokenFile {
  readonly path: string;
  readonly durationMs: number;
  /** Loudness (0 to 1) of the sentence without the silences, in steps of 20 ms. */
  readonly envelope: readonly number[];
}

/** Writes `text` as speech (PCM16 mono) between a silence of 3 s and one of 2 s. */
export async function writeSpeech(path: string, text: string): Promise<SpokenFile> {
  const speaker = await findBinary({ names: ['espeak-ng'], aptPackage: 'espeak-ng' });
  await run(speaker, ['-v', 'en', '-s', '165', '-w', path, text], { timeout: SPEAK_TIMEOUT_MS });
  const { sampleRate, samples } = readWav(await readFile(path));
  const whole = new Int16Array(samples.length + 5 * sampleRate);
  whole.set(samples, 3 * sampleRate);
  await writeFile(path, toWav(whole, sampleRate));
  return {
    path,
    durationMs: (whole.length / sampleRate) * 1000,
    envelope: trim(envelopeOf(samples, (sampleRate * WINDOW_MS) / 1000)),
  };
}

/** The highest correlation (-1 to 1) of `spoken` with any stretch of its length in `received`. */
export function bestCorrelation(received: readonly number[], spoken: readonly number[]): number {
  let best = -1;
  for (let lag = 0; lag + spoken.length <= received.length; lag++) {
    best = Math.max(best, correlation(received, spoken, lag));
  }
  return best;
}

function correlation(received: readonly number[], spoken: readonly number[], lag: number): number {
  const meanHeard = mean(received.slice(lag, lag + spoken.length));
  const meanSpoken = mean(spoken);
  let [product, squaresHeard, squaresSpoken] = [0, 0, 0];
  for (const [index, value] of spoken.entries()) {
    const a = received[lag + index]! - meanHeard;
    const b = value - meanSpoken;
    product += a * b;
    squaresHeard += a * a;
    squaresSpoken += b * b;
  }
  const scale = Math.sqrt(squaresHeard * squaresSpoken);
  return scale === 0 ? 0 : product / scale;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function envelopeOf(samples: Int16Array, windowSamples: number): number[] {
  const envelope: number[] = [];
  for (let at = 0; at + windowSamples <= samples.length; at += windowSamples) {
    let sum = 0;
    for (const sample of samples.subarray(at, at + windowSamples)) sum += sample * sample;
    envelope.push(Math.sqrt(sum / windowSamples) / FULL_SCALE);
  }
  return envelope;
}

function trim(envelope: readonly number[]): readonly number[] {
  const audible = (value: number) => value >= AUDIBLE_RMS;
  return envelope.slice(envelope.findIndex(audible), envelope.findLastIndex(audible) + 1);
}

/** RIFF/WAVE with a `fmt ` and a `data` chunk, PCM16 mono, as the speech program writes it. */
function readWav(file: Buffer): { sampleRate: number; samples: Int16Array } {
  let sampleRate = 0;
  for (let at = 12; at + 8 <= file.length; ) {
    const name = file.toString('latin1', at, at + 4);
    const sizeBytes = file.readUInt32LE(at + 4);
    const body = file.subarray(at + 8, at + 8 + sizeBytes);
    if (name === 'fmt ') sampleRate = body.readUInt32LE(4);
    if (name === 'data') {
      const copy = new Uint8Array(body);
      return { sampleRate, samples: new Int16Array(copy.buffer, 0, copy.length >> 1) };
    }
    at += 8 + sizeBytes + (sizeBytes % 2);
  }
  throw new Error('The speech program wrote no audio.');
}

function toWav(samples: Int16Array, sampleRate: number): Buffer {
  const header = Buffer.alloc(44);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(36 + samples.byteLength, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(sampleRate, 24);
  header.writeUInt32LE(sampleRate * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(samples.byteLength, 40);
  return Buffer.concat([header, Buffer.from(samples.buffer, 0, samples.byteLength)]);
}

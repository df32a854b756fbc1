/**
 * Speech detection: what starts and ends an utterance, in a stream that is cut at any point.
 */
import { describe, expect, it } from 'vitest';
import { concat, samplesOf } from './audio/pcm.ts';
import { MAX_UTTERANCE_MS } from './limits.ts';
import { Random } from './random.ts';
import { silence, tone } from './testing/sound.ts';
import { EnergyVad, loudnessAt, type VadEvent } from './vad.ts';

const CONFIG = { threshold: 0.5, silenceDurationMs: 500 };
const SEED = process.env.SEED ?? String(Date.now());

function run(samples: Int16Array, config = CONFIG): [string, number][] {
  return show(new EnergyVad(config).push(samples));
}

function show(events: VadEvent[]): [string, number][] {
  return events.map(({ type, atSample }) => [type, atSample / samplesOf(1)]);
}

describe('speech detection', () => {
  it('hears nothing in silence, in a click, or in noise below the threshold', () => {
    expect(run(silence(2_000))).toEqual([]);
    expect(run(concat([silence(500), tone(40), silence(1_500)]))).toEqual([]);
    expect(run(tone(2_000, 300, 300))).toEqual([]);
  });

  it('marks where speech begins, and its end after the silence asked for', () => {
    const samples = concat([silence(400), tone(600), silence(1_000)]);
    expect(run(samples)).toEqual([
      ['started', 400],
      ['stopped', 1_500],
    ]);
    expect(run(samples, { threshold: 0.5, silenceDurationMs: 200 })[1]).toEqual(['stopped', 1_200]);
  });

  it('does not end in a pause shorter than that', () => {
    const samples = concat([tone(300), silence(400), tone(300), silence(600)]);
    expect(run(samples)).toEqual([
      ['started', 0],
      ['stopped', 1_500],
    ]);
  });

  it('hears quieter speech at a lower threshold', () => {
    const quiet = concat([tone(400, 300, 200), silence(700)]);
    expect(run(quiet)).toEqual([]);
    expect(run(quiet, { ...CONFIG, threshold: 0.1 })).toHaveLength(2);
    expect(loudnessAt(0)).toBeLessThan(loudnessAt(1));
  });

  it('ends speech that never pauses at the limit', () => {
    const vad = new EnergyVad(CONFIG);
    const second = tone(1_000);
    const events: VadEvent[] = [];
    for (let at = 0; at <= MAX_UTTERANCE_MS; at += 1_000) events.push(...vad.push(second));
    expect(show(events).slice(0, 2)).toEqual([
      ['started', 0],
      ['stopped', MAX_UTTERANCE_MS],
    ]);
  });

  it(`decides the same however the stream is cut (seed ${SEED})`, () => {
    const random = new Random(SEED);
    const pause = () => silence(100 + random.below(900));
    const word = () => tone(100 + random.below(500));
    const samples = concat(Array.from({ length: 12 }, () => concat([word(), pause()])));
    const vad = new EnergyVad(CONFIG);
    const events: VadEvent[] = [];
    for (let at = 0; at < samples.length; ) {
      const size = 1 + random.below(3_000);
      events.push(...vad.push(samples.subarray(at, at + size)));
      at += size;
    }
    expect(show(events)).toEqual(run(samples));
    expect(events.length).toBeGreaterThan(0);
  });
});

import { describe, expect, it } from 'vitest';
import { Framer } from './framer.ts';
import {
  GATHER_SAMPLES,
  HOLD_SAMPLES,
  PlaybackQueue,
  QUEUE_MAX_SAMPLES,
} from './playback-queue.ts';
import { Resampler } from './resampler.ts';

const count = (from: number, length: number) =>
  Int16Array.from({ length }, (_, i) => (from + i) % 30_000);

describe('Framer', () => {
  it('cuts chunks of any size into frames without losing a sample', () => {
    const frames: Int16Array[] = [];
    const framer = new Framer(100, frame => frames.push(frame));
    let sent = 0;
    for (const size of [1, 99, 30, 250, 0, 128, 92]) {
      framer.push(count(sent, size));
      sent += size;
    }
    expect(frames).toHaveLength(6);
    const joined = frames.flatMap(frame => [...frame]);
    expect(joined).toEqual([...count(0, 600)]);
  });
});

describe('Resampler', () => {
  function resample(input: Float32Array, [from, to]: [number, number], chunk: number) {
    const resampler = new Resampler(from, to);
    const out: number[] = [];
    for (let i = 0; i < input.length; i += chunk) {
      out.push(...resampler.push(input.subarray(i, i + chunk)));
    }
    return Float32Array.from(out);
  }
  const tone = (hz: number, rate: number, length: number) =>
    Float32Array.from({ length }, (_, i) => Math.sin((2 * Math.PI * hz * i) / rate));
  const rms = (x: Float32Array) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / x.length);

  it.each([
    [48_000, 24_000],
    [44_100, 24_000],
    [16_000, 24_000],
  ])('keeps speech and its length from %i to %i Hz', (from, to) => {
    const out = resample(tone(440, from, from), [from, to], 128);
    expect(Math.abs(out.length - to)).toBeLessThan(64);
    const middle = out.subarray(2000, out.length - 2000);
    expect(rms(middle)).toBeCloseTo(Math.SQRT1_2, 2);
  });

  it('removes frequencies that would alias', () => {
    const out = resample(tone(15_000, 48_000, 48_000), [48_000, 24_000], 128);
    expect(rms(out.subarray(200))).toBeLessThan(0.02);
  });

  it('gives the same output however the input is cut', () => {
    const input = tone(700, 44_100, 9000);
    const whole = resample(input, [44_100, 24_000], 9000);
    const pieces = resample(input, [44_100, 24_000], 37);
    expect(pieces.length).toBe(whole.length);
    expect(Math.max(...pieces.map((v, i) => Math.abs(v - whole[i]!)))).toBeLessThan(1e-5);
  });
});

describe('PlaybackQueue', () => {
  const pull = (queue: PlaybackQueue, samples: number) => {
    const out = new Float32Array(samples);
    queue.pull(out);
    return out;
  };
  const piece = (itemId: string, length: number) => ({
    itemId,
    contentIndex: 0,
    pcm: new Int16Array(length).fill(16_384),
  });

  it('plays in order after buffering a little, and reports exactly how much was played', () => {
    const queue = new PlaybackQueue();
    queue.enqueue(piece('a', 1000));
    expect(pull(queue, 128)[0]).toBe(0);
    queue.enqueue(piece('a', GATHER_SAMPLES));
    expect(pull(queue, 200)[0]).toBe(0.5);
    pull(queue, 280);
    expect(queue.playing).toBe(true);
    expect(queue.clear()).toEqual({ itemId: 'a', contentIndex: 0, playedMs: 20 });
    expect(queue.playing).toBe(false);
    expect(pull(queue, 128).every(v => v === 0)).toBe(true);
    expect(queue.clear()).toBeNull();
  });

  it('plays a short sound without waiting for more', () => {
    const queue = new PlaybackQueue();
    queue.enqueue(piece('a', 100));
    for (let given = 0; given < GATHER_SAMPLES; given += 128) pull(queue, 128);
    expect(queue.playing).toBe(true);
  });

  it('stays `playing` a little after the last sound', () => {
    const queue = new PlaybackQueue();
    queue.enqueue(piece('a', GATHER_SAMPLES));
    pull(queue, GATHER_SAMPLES);
    pull(queue, HOLD_SAMPLES - 1);
    expect(queue.playing).toBe(true);
    expect(queue.clear()).toMatchObject({
      itemId: 'a',
      playedMs: (GATHER_SAMPLES / 24_000) * 1000,
    });
    queue.enqueue(piece('b', GATHER_SAMPLES));
    pull(queue, GATHER_SAMPLES);
    pull(queue, HOLD_SAMPLES);
    expect(queue.playing).toBe(false);
  });

  it('reports nothing for an item that was only queued', () => {
    const queue = new PlaybackQueue();
    queue.enqueue(piece('a', 50));
    expect(queue.clear()).toEqual({ itemId: 'a', contentIndex: 0, playedMs: 0 });
  });

  it('counts each item by itself', () => {
    const queue = new PlaybackQueue();
    queue.enqueue(piece('a', GATHER_SAMPLES));
    queue.enqueue(piece('b', 4800));
    pull(queue, GATHER_SAMPLES + 2400);
    expect(queue.clear()).toEqual({ itemId: 'b', contentIndex: 0, playedMs: 100 });
  });

  it('refuses sound beyond its limit', () => {
    const queue = new PlaybackQueue();
    expect(queue.enqueue(piece('a', QUEUE_MAX_SAMPLES))).toBe(true);
    expect(queue.enqueue(piece('a', 1))).toBe(false);
  });
});

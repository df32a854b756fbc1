/** The codecs and filters between the wire and 24 kHz samples. */
import { describe, expect, it } from 'vitest';
import { Random } from '../random.ts';
import { silence, tone } from '../testing/sound.ts';
import { AudioDecoder, AudioEncoder, type FormatName } from './format.ts';
import { decodeG711, encodeG711, type Law } from './g711.ts';
import { FRAME_SAMPLES, OpusCodec } from './opus.ts';
import { concat, rms, samplesOf, toBytes, toSamples } from './pcm.ts';
import { Downsampler, Upsampler } from './resample.ts';
import { speak } from './tone.ts';

const SEED = process.env.SEED ?? String(Date.now());

/** Decibels of signal over the difference between two stretches. */
function signalToNoise(one: Int16Array, other: Int16Array): number {
  let [signal, noise] = [0, 0];
  for (let index = 0; index < one.length; index++) {
    const value = one[index] as number;
    signal += value ** 2;
    noise += (value - (other[index] as number)) ** 2;
  }
  return 10 * Math.log10(signal / Math.max(noise, 1));
}

/** The best agreement when `other` may lag by up to `maxLag` samples. */
function bestSignalToNoise(one: Int16Array, other: Int16Array, maxLag: number): number {
  let best = -Infinity;
  const length = Math.min(one.length, other.length) - maxLag;
  for (let lag = 0; lag <= maxLag; lag++) {
    const shifted = other.subarray(lag, lag + length);
    best = Math.max(best, signalToNoise(one.subarray(0, length), shifted));
  }
  return best;
}

describe('G.711', () => {
  // ITU-T G.711 (1988), tables 1a to 2b: decision and output values at the ends and at zero.
  const known: [Law, number, number][] = [
    ['pcmu', 0x00, -32_124],
    ['pcmu', 0x80, 32_124],
    ['pcmu', 0x7f, 0],
    ['pcmu', 0xff, 0],
    ['pcmu', 0x70, -120],
    ['pcma', 0x2a, -32_256],
    ['pcma', 0xaa, 32_256],
    ['pcma', 0xd5, 8],
    ['pcma', 0x55, -8],
  ];

  it.each(known)('decodes %s %i to %i', (law, byte, sample) => {
    expect(decodeG711(law, Uint8Array.of(byte))[0]).toBe(sample);
  });

  it.each(['pcmu', 'pcma'] as const)('encodes every %s value back to itself', law => {
    const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    const samples = decodeG711(law, all);
    const again = decodeG711(law, encodeG711(law, samples));
    expect([...again]).toEqual([...samples]);
  });

  it.each(['pcmu', 'pcma'] as const)('keeps %s within the quantisation of its segments', law => {
    for (let sample = -32_768; sample <= 32_767; sample += 7) {
      const [decoded] = decodeG711(law, encodeG711(law, Int16Array.of(sample)));
      const allowed = Math.max(16, Math.abs(sample) / 16);
      expect(Math.abs((decoded as number) - sample)).toBeLessThanOrEqual(allowed + 650);
      if (Math.abs(sample) < 30_000) {
        expect(Math.abs((decoded as number) - sample)).toBeLessThanOrEqual(allowed);
      }
    }
  });
});

describe('resampling', () => {
  it('keeps a tone through 24 -> 8 -> 24 kHz', () => {
    const original = tone(500);
    const back = new Upsampler().push(new Downsampler().push(original));
    expect(bestSignalToNoise(original, back, 60)).toBeGreaterThan(25);
  });

  it('removes what 8 kHz cannot carry', () => {
    const out = new Downsampler().push(tone(500, 9_000));
    expect(rms(out)).toBeLessThan(0.01);
  });

  it(`gives the same however the stream is cut (seed ${SEED})`, () => {
    const random = new Random(SEED);
    const original = tone(300, 440);
    for (const make of [() => new Downsampler(), () => new Upsampler()]) {
      const whole = make().push(original);
      const pieces: Int16Array[] = [];
      const resampler = make();
      for (let at = 0; at < original.length; ) {
        const size = 1 + random.below(400);
        pieces.push(resampler.push(original.subarray(at, at + size)));
        at += size;
      }
      expect(toBytes(concat(pieces)).equals(toBytes(whole))).toBe(true);
    }
  });
});

describe('formats', () => {
  it('joins PCM16 that was cut inside a sample', () => {
    const bytes = toBytes(tone(20));
    const decoder = new AudioDecoder('audio/pcm');
    const parts = [bytes.subarray(0, 101), bytes.subarray(101, 102), bytes.subarray(102)];
    const samples = concat(parts.map(part => decoder.decode(Buffer.from(part))));
    expect(toBytes(samples).equals(bytes)).toBe(true);
  });

  it.each(['audio/pcmu', 'audio/pcma'] as FormatName[])('carries a voice in %s', format => {
    const original = tone(400);
    const bytes = new AudioEncoder(format).encode(original);
    expect(Math.abs(bytes.length - 3_200)).toBeLessThan(12);
    const back = new AudioDecoder(format).decode(bytes);
    expect(bestSignalToNoise(original, back, 60)).toBeGreaterThan(20);
  });
});

describe('Opus', () => {
  it('keeps the loudness of a voice, in small packets', () => {
    const codec = new OpusCodec();
    const original = concat([tone(400), silence(100)]);
    const decoded: Int16Array[] = [];
    for (let at = 0; at + FRAME_SAMPLES <= original.length; at += FRAME_SAMPLES) {
      const packet = codec.encode(original.subarray(at, at + FRAME_SAMPLES));
      expect(packet.length).toBeLessThan(400);
      decoded.push(codec.decode(packet) as Int16Array);
    }
    codec.close();
    const back = concat(decoded);
    expect(back.length).toBe(original.length);
    const middle = [samplesOf(100), samplesOf(300)] as const;
    const ratio = rms(back, ...middle) / rms(original, ...middle);
    expect(ratio).toBeGreaterThan(0.8);
    expect(ratio).toBeLessThan(1.2);
  });

  it('recognises a packet that is not Opus', () => {
    const codec = new OpusCodec();
    expect(codec.decode(Buffer.from([0xff, 0xff]))).toBeUndefined();
    codec.close();
    codec.close();
  });
});

describe('the simulated voice', () => {
  it('is one beep per word, at least one and of bounded length', () => {
    const lengthOf = (text: string) => speak(text, 'alloy', new Random('x')).length;
    expect(lengthOf('one two three')).toBe(3 * lengthOf('one'));
    expect(lengthOf('')).toBe(lengthOf('one'));
    expect(lengthOf('word '.repeat(100_000))).toBeLessThanOrEqual(samplesOf(60_000));
  });

  it('differs by voice and is the same for the same seed', () => {
    const bytes = (voice: string) => toBytes(speak('hello you', voice, new Random('x')));
    expect(bytes('alloy').equals(bytes('alloy'))).toBe(true);
    expect(bytes('alloy').equals(bytes('cedar'))).toBe(false);
  });
});

it('reads PCM16 little-endian, leaving out half a sample', () => {
  expect([...toSamples(Uint8Array.of(1, 0, 0xff, 0xff, 9))]).toEqual([1, -1]);
});

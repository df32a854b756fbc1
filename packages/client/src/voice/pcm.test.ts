import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { fromBase64, fromBytes, level, toBase64, toBytes, toPcm16 } from './pcm.ts';
import { AudioStats } from './stats.ts';
import { addUsage, NO_USAGE } from './usage.ts';

describe('pcm', () => {
  it('goes to bytes and base64 and back, little-endian', () => {
    const pcm = Int16Array.from([0, 1, -1, 32_767, -32_768, 258]);
    const bytes = toBytes(pcm);
    expect([...bytes.subarray(10)]).toEqual([2, 1]);
    expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'));
    expect(fromBytes(fromBase64(toBase64(bytes))!)).toEqual(pcm);
  });

  it('survives long, odd and broken input', () => {
    const long = new Uint8Array(200_001).fill(7);
    expect(fromBase64(toBase64(long))).toEqual(long);
    expect(fromBytes(long)).toHaveLength(100_000);
    expect(fromBase64('not base64!')).toBeNull();
  });

  it('clips what is too loud', () => {
    expect([...toPcm16(Float32Array.from([-2, -1, 0, 1, 2]))]).toEqual([
      -32_768, -32_768, 0, 32_767, 32_767,
    ]);
  });

  it('shows loudness between silence and full scale', () => {
    expect(level(new Int16Array(0))).toBe(0);
    expect(level(new Int16Array(100))).toBe(0);
    expect(level(new Int16Array(100).fill(-32_768))).toBe(1);
    expect(level(new Int16Array(100).fill(1036))).toBeCloseTo(0.5, 2);
    expect(level(new Int16Array(100).fill(1))).toBe(0);
  });
});

describe('AudioStats', () => {
  it('hashes what was sent, running, without what was dropped', () => {
    const stats = new AudioStats();
    const hash = createHash('sha256');
    for (let i = 0; i < 5; i++) {
      const bytes = new Uint8Array(1920).fill(i);
      stats.sent(bytes);
      hash.update(bytes);
      expect(stats.snapshot().sha256).toBe(hash.copy().digest('hex'));
    }
    stats.dropped();
    expect(stats.snapshot()).toMatchObject({
      framesSent: 5,
      bytesSent: 9600,
      framesDropped: 1,
      secondsSent: 0.2,
    });
  });
});

describe('addUsage', () => {
  it('sums what is there and counts an answer without figures', () => {
    const one = addUsage(NO_USAGE, {
      total_tokens: 10,
      input_tokens: 6,
      output_tokens: 4,
      input_token_details: { audio_tokens: 5, cached_tokens: 2 },
      output_token_details: { audio_tokens: 3 },
    });
    expect(addUsage(addUsage(one, null), one as never)).toMatchObject({
      responses: 3,
      totalTokens: 10,
      inputAudioTokens: 5,
      outputAudioTokens: 3,
      cachedTokens: 2,
    });
  });
});

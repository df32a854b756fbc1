/** The small parts: classification, encoding, masking, the slab and the ticker. */
import { describe, expect, it } from 'vitest';
import { AUDIO, clientAudio, OTHER, serverAudio, UNDECIDED } from './classify.ts';
import { encodeClose, encodeFragment, encodePing, encodeText } from './frame-encoder.ts';
import { slabBlockBytes } from './limits.ts';
import { applyMask, maskedIsPlain } from './masking.ts';
import { Slab } from './slab.ts';
import { until } from './testbed.ts';
import { RelayTicker } from './ticker.ts';

describe('classification', () => {
  const cases: [string, number][] = [
    ['{"type":"input_audio_buffer.append","audio":"', AUDIO],
    ['{"type": "input_audio_buffer.append", "audio": "', AUDIO],
    ['{"event_id":"event_1","type":"input_audio_buffer.append"', AUDIO],
    [' {\n "type" : "input_audio_buffer.append"', AUDIO],
    ['{"type":"input_audio_buffer.commit"}', OTHER],
    ['{"type":"input_audio_buffer.appendix"}', OTHER],
    ['{"type":"response.create"}', OTHER],
    [`{"event_id":"${'x'.repeat(300)}","type":"input_audio_buffer.append"`, OTHER],
    ['{"type":"input_aud', UNDECIDED],
    ['{"event_id":"event_1"', UNDECIDED],
    ['', UNDECIDED],
  ];
  for (const [text, kind] of cases) {
    it(`${['undecided', 'audio', 'other'][kind]}: ${text.slice(0, 60)}`, () => {
      for (const mask of [0, 0x7a5b3c1d]) {
        const bytes = Buffer.concat([Buffer.from('xyz'), Buffer.from(text)]);
        applyMask(bytes.subarray(3), mask);
        expect(clientAudio.classify(bytes, 3, bytes.length, mask)).toBe(kind);
      }
      expect(clientAudio.classifyText(text)).toBe(kind);
    });
  }

  it('knows the server’s audio', () => {
    expect(serverAudio.classifyText('{"type":"response.output_audio.delta","event_id"')).toBe(
      AUDIO,
    );
    expect(serverAudio.classifyText('{"type":"response.output_audio.done","event_id"')).toBe(OTHER);
    expect(serverAudio.classifyText('{"type":"response.output_audio_transcript.delta"')).toBe(
      OTHER,
    );
  });
});

describe('masking', () => {
  it('is its own inverse at every length, alignment and phase', () => {
    const mask = 0x12345678 | 0;
    for (let length = 0; length < 40; length++) {
      for (let at = 0; at < 4; at++) {
        for (let phase = 0; phase < 4; phase++) {
          const plain = Buffer.from(Array.from({ length }, (_, i) => (i * 37) & 255));
          const bytes = Buffer.alloc(64).subarray(at, at + length);
          plain.copy(bytes);
          applyMask(bytes, mask, phase);
          const expected = plain.map((b, i) => b ^ ((mask >>> (((i + phase) & 3) * 8)) & 255));
          expect(bytes.equals(expected)).toBe(true);
          const isPlain = plain.every(b => b >= 0x20 && b < 0x80 && b !== 0x22 && b !== 0x5c);
          expect(maskedIsPlain(bytes, mask, phase)).toBe(isPlain);
          applyMask(bytes, mask, phase);
          expect(bytes.equals(plain)).toBe(true);
        }
      }
    }
  });
});

describe('plain bytes', () => {
  it('are told from all others, wherever one stands', () => {
    for (const mask of [0, 0x7a5b3c1d, -0x22222223]) {
      for (let byte = 0; byte < 256; byte++) {
        const isPlain = byte >= 0x20 && byte < 0x80 && byte !== 0x22 && byte !== 0x5c;
        for (let at = 0; at < 20; at++) {
          const bytes = Buffer.alloc(20, 'A');
          bytes[at] = byte;
          applyMask(bytes, mask);
          expect(maskedIsPlain(bytes, mask)).toBe(isPlain);
        }
      }
    }
  });
});

describe('encoding', () => {
  it('writes lengths of all three kinds', () => {
    expect(encodeText('x'.repeat(125), false).subarray(0, 2)).toEqual(Buffer.from([0x81, 125]));
    const medium = encodeText('x'.repeat(65_535), false);
    expect(medium.subarray(0, 4)).toEqual(Buffer.from([0x81, 126, 255, 255]));
    const long = encodeText('x'.repeat(65_536), false);
    expect(long.subarray(0, 10)).toEqual(Buffer.from([0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]));
    expect(encodeFragment(1, Buffer.from('x'), false)).toEqual(Buffer.from([0x01, 1, 0x78]));
  });

  it('masks with a fresh key each time', () => {
    const frames = Array.from({ length: 3000 }, () => encodePing(true).toString('hex'));
    expect(new Set(frames).size).toBeGreaterThan(2990);
    const frame = encodeText('hello', true);
    applyMask(frame.subarray(6), frame.readInt32LE(2));
    expect(frame.subarray(6).toString()).toBe('hello');
  });

  it('cuts a close reason between characters', () => {
    const frame = encodeClose(1000, '音'.repeat(100), false);
    expect(frame.length).toBeLessThanOrEqual(2 + 125);
    expect(frame.subarray(4).toString()).toBe('音'.repeat(41));
  });
});

describe('Slab', () => {
  const source = Buffer.from('0123456789');

  it('uses a place again once it was given back, and never one that was not', () => {
    const slab = new Slab();
    const kept = slab.copy(source, 0, 5);
    const first = slab.copy(source, 5, 10);
    slab.giveBack(first);
    const second = slab.copy(source, 0, 3);
    expect(second.byteOffset).toBe(first.byteOffset);
    slab.giveBack(kept);
    expect(slab.copy(source, 9, 10).byteOffset).toBe(second.byteOffset + 3);
    expect([kept.toString(), second.toString()]).toEqual(['01234', '012']);
  });

  it('begins a new block where the old one is full, and leaves giants alone', () => {
    const slab = new Slab();
    const large = Buffer.alloc(slabBlockBytes, 1);
    const whole = slab.copy(large, 0, large.length);
    const next = slab.copy(source, 0, 10);
    expect(next.buffer).not.toBe(whole.buffer);
    slab.giveBack(whole);
    expect(slab.copy(Buffer.alloc(slabBlockBytes + 1), 0, slabBlockBytes + 1).length).toBe(
      slabBlockBytes + 1,
    );
    expect(next.toString()).toBe('0123456789');
  });
});

describe('RelayTicker', () => {
  it('ticks while there is somebody, and its clock takes no leaps', async () => {
    const ticker = new RelayTicker(5);
    const times: number[] = [];
    const member = { tick: (nowMs: number) => times.push(nowMs) };
    ticker.add(member);
    await until(() => times.length > 2, 'ticks');
    const before = times.at(-1)!;
    const blockedUntil = performance.now() + 100;
    while (performance.now() < blockedUntil);
    const count = times.length;
    await until(() => times.length > count, 'tick');
    expect(times[count]! - before).toBeLessThanOrEqual(2 * 10);
    ticker.remove(member);
    expect(ticker.size).toBe(0);
  });
});

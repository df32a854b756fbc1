import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlockPool } from './block-pool.ts';
import { KeptOutput, textOf } from './kept-output.ts';
import { keptBlockBytes } from './limits.ts';
import { rawFrame } from './testbed.ts';

const MIB = 1024 * 1024;
const POOL_BYTES = 8 * MIB;

/** A message of one frame, or of fragments. */
const message = fc.oneof(
  fc.nat(300).map(length => [length]),
  fc.nat(70_000).map(length => [length]),
  fc.array(fc.nat(200), { minLength: 2, maxLength: 4 }),
);

function framesOf(lengths: readonly number[], letter: string): Buffer {
  const last = lengths.length - 1;
  return Buffer.concat(
    lengths.map((length, i) =>
      rawFrame(i === 0 ? 1 : 0, letter.repeat(length), { fin: i === last }),
    ),
  );
}

const letterOf = (i: number) => String.fromCharCode(97 + (i % 26));

/** Pushes in pieces of those sizes, in turn. */
function pushInPieces(kept: KeptOutput, bytes: Buffer, sizes: readonly number[]): void {
  let turn = 0;
  for (let at = 0; at < bytes.length; turn += 1) {
    const to = Math.min(bytes.length, at + sizes[turn % sizes.length]!);
    kept.push(bytes, at, to);
    at = to;
  }
}

describe('KeptOutput', () => {
  it('gives back exactly what is not acknowledged, however the bytes came', () => {
    fc.assert(
      fc.property(
        fc.array(message, { minLength: 1, maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 5 }),
        fc.nat(20),
        fc.nat(20),
        (messages, sizes, acknowledged, received) => {
          const pool = new BlockPool(POOL_BYTES);
          const kept = new KeptOutput(pool, 4 * MIB);
          const all = messages.map((lengths, i) => framesOf(lengths, letterOf(i)));
          pushInPieces(kept, Buffer.concat(all), sizes);
          expect(kept.messages).toBe(all.length);
          const proven = Math.min(acknowledged, all.length);
          // A pong may come back from the middle of the next message.
          kept.acknowledge(
            Buffer.concat(all.slice(0, proven)).length + (proven < all.length ? 1 : 0),
          );
          expect(kept.continuation(null)).toEqual({ after: proven, lost: 0 });
          const had = Math.min(received, all.length);
          const lost = Math.max(0, proven - had);
          expect(kept.continuation(had)).toEqual({ after: Math.max(had, proven), lost });
          expect([...kept.from(Math.max(had, proven))]).toEqual(all.slice(Math.max(had, proven)));
          kept.forget();
          expect(pool.takenBytes).toBe(0);
        },
      ),
    );
  });

  it('has the message under way last, and can leave it out', () => {
    const kept = new KeptOutput(new BlockPool(POOL_BYTES), MIB);
    const [first, second] = [rawFrame(1, 'first'), rawFrame(1, 'second')];
    kept.push(first, 0, first.length);
    kept.push(second, 0, 3);
    expect([...kept.from(0)]).toEqual([first, second.subarray(0, 3)]);
    kept.cut();
    kept.push(second, 0, second.length);
    expect([...kept.from(0)]).toEqual([first, second]);
    expect(kept.messages).toBe(2);
  });

  it('forgets the oldest beyond its limit, and says how many', () => {
    const kept = new KeptOutput(new BlockPool(POOL_BYTES), 10_000);
    const frames = Array.from({ length: 30 }, (_, i) => rawFrame(1, letterOf(i).repeat(996)));
    for (const frame of frames) kept.push(frame, 0, frame.length);
    const { after, lost } = kept.continuation(5);
    expect(after + [...kept.from(after)].length).toBe(30);
    expect(lost).toBe(after - 5);
    expect(kept.keptBytes).toBeLessThanOrEqual(10_000);
    expect([...kept.from(after)]).toEqual(frames.slice(after));
  });

  it('keeps nothing of a message that is longer than its limit, and the next one again', () => {
    const kept = new KeptOutput(new BlockPool(POOL_BYTES), 10_000);
    const [long, next] = [rawFrame(1, 'x'.repeat(30_000)), rawFrame(1, 'next')];
    pushInPieces(kept, long.subarray(0, 20_000), [1_000]);
    expect(kept.isContinuable).toBe(false);
    pushInPieces(kept, long.subarray(20_000), [1_000]);
    expect(kept.isContinuable).toBe(true);
    kept.push(next, 0, next.length);
    expect(kept.continuation(0)).toEqual({ after: 1, lost: 1 });
    expect([...kept.from(1)]).toEqual([next]);
  });

  it('does without where the process has no block left, and goes on when one is given back', () => {
    const pool = new BlockPool(2 * keptBlockBytes);
    const [one, other] = [new KeptOutput(pool, MIB), new KeptOutput(pool, MIB)];
    const frame = rawFrame(1, 'y'.repeat(keptBlockBytes));
    one.push(frame, 0, frame.length);
    other.push(frame, 0, frame.length);
    expect(other.continuation(0)).toEqual({ after: 1, lost: 1 });
    one.acknowledge(one.end);
    expect(pool.takenBytes).toBe(0);
    other.push(frame, 0, frame.length);
    expect([...other.from(1)]).toEqual([frame]);
  });

  it('believes no pong that is ahead of what was sent', () => {
    const kept = new KeptOutput(new BlockPool(POOL_BYTES), MIB);
    const frame = rawFrame(1, 'z');
    kept.push(frame, 0, frame.length);
    for (const offset of [frame.length + 1, Number.NaN, -1, Infinity]) kept.acknowledge(offset);
    expect(kept.isOwed).toBe(true);
    kept.acknowledge(frame.length);
    expect(kept.isOwed).toBe(false);
  });

  it.each([0, 125, 126, 65_535, 65_536])('reads the text of a message of %d bytes', length => {
    expect(textOf(rawFrame(1, 'é'.repeat(length)))).toBe('é'.repeat(length));
    expect(textOf(rawFrame(1, 'part', { fin: false }))).toBeNull();
  });
});

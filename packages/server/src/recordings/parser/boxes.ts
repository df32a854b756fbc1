import type { Bytes } from './bytes.ts';

/** A box of an ISO media file (MP4). */
export interface Box {
  readonly type: string;
  readonly at: number;
  /** Behind its header. */
  readonly body: number;
  /** Within what holds it. */
  readonly end: number;
  /** What its header says; more than `end` where the file is cut. */
  readonly saidEnd: number;
}

const HEAD_BYTES = 8;
const LONG_HEAD_BYTES = 16;

/** The boxes between two places. Ends where no box can be. */
export function* boxes(bytes: Bytes, from: number, to: number): Generator<Box> {
  for (let at = from; at + HEAD_BYTES <= to; ) {
    const short = bytes.uint32(at);
    const type = bytes.text(at + 4, 4);
    const isLong = short === 1 && at + LONG_HEAD_BYTES <= to;
    const headBytes = isLong ? LONG_HEAD_BYTES : HEAD_BYTES;
    const sizeBytes = isLong ? bytes.uint64(at + HEAD_BYTES) : short || to - at;
    if (sizeBytes < headBytes) return;
    const saidEnd = at + sizeBytes;
    yield { type, at, body: at + headBytes, end: Math.min(to, saidEnd), saidEnd };
    at = saidEnd;
  }
}

/** The first of a type. */
export function boxIn(bytes: Bytes, holder: Box | undefined, type: string): Box | undefined {
  if (holder === undefined) return undefined;
  for (const box of boxes(bytes, holder.body, holder.end)) if (box.type === type) return box;
  return undefined;
}

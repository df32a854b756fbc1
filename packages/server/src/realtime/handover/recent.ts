/**
 * The newest appends of one session, in two halves that take turns: a full one is used again as a
 * whole, so that nothing of it lives longer, and nothing is allocated while a session talks.
 */
const HALF_BYTES = 48 * 1024;

export interface Append {
  /** The whole message, masked as it came. */
  readonly payload: Buffer;
  readonly mask: number;
}

/** Where each append ends, and its mask: an object for each would cost more than its copy. */
interface Half {
  readonly bytes: Buffer;
  usedBytes: number;
  readonly ends: number[];
  readonly masks: number[];
}

export class Recent {
  #now: Half | undefined;
  #before: Half | undefined;

  push(payload: Buffer, mask: number): void {
    if (payload.length > HALF_BYTES) {
      const { length } = payload;
      this.#now = { bytes: Buffer.from(payload), usedBytes: length, ends: [length], masks: [mask] };
      this.#before = undefined;
      return;
    }
    if (this.#now === undefined || this.#now.usedBytes + payload.length > this.#now.bytes.length) {
      const next = this.#before?.bytes.length === HALF_BYTES ? this.#before : newHalf();
      next.usedBytes = 0;
      next.ends.length = 0;
      next.masks.length = 0;
      [this.#before, this.#now] = [this.#now, next];
    }
    const half = this.#now;
    half.usedBytes += payload.copy(half.bytes, half.usedBytes);
    half.ends.push(half.usedBytes);
    half.masks.push(mask);
  }

  /** All of them, the oldest first, as copies; none is left. */
  take(): Append[] {
    const appends = [...appendsOf(this.#before), ...appendsOf(this.#now)];
    this.#now = undefined;
    this.#before = undefined;
    return appends;
  }
}

function newHalf(): Half {
  return { bytes: Buffer.allocUnsafeSlow(HALF_BYTES), usedBytes: 0, ends: [], masks: [] };
}

function appendsOf(half: Half | undefined): Append[] {
  if (half === undefined) return [];
  const { bytes, ends, masks } = half;
  return ends.map((end, i) => ({
    payload: Buffer.from(bytes.subarray(ends[i - 1] ?? 0, end)),
    mask: masks[i]!,
  }));
}

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

interface Half {
  readonly bytes: Buffer;
  usedBytes: number;
  appends: Append[];
}

export class Recent {
  #now: Half | undefined;
  #before: Half | undefined;

  push(payload: Buffer, mask: number): void {
    if (payload.length > HALF_BYTES) {
      this.#now = { bytes: Buffer.alloc(0), usedBytes: 0, appends: [] };
      this.#before = undefined;
      this.#now.appends.push({ payload: Buffer.from(payload), mask });
      return;
    }
    if (this.#now === undefined || this.#now.usedBytes + payload.length > this.#now.bytes.length) {
      const next = this.#before?.bytes.length === HALF_BYTES ? this.#before : newHalf();
      next.usedBytes = 0;
      next.appends = [];
      [this.#before, this.#now] = [this.#now, next];
    }
    const half = this.#now;
    const from = half.usedBytes;
    half.usedBytes += payload.copy(half.bytes, from);
    half.appends.push({ payload: half.bytes.subarray(from, half.usedBytes), mask });
  }

  /** All of them, the oldest first, as copies; none is left. */
  take(): Append[] {
    const appends = [...(this.#before?.appends ?? []), ...(this.#now?.appends ?? [])];
    this.#now = undefined;
    this.#before = undefined;
    return appends.map(({ payload, mask }) => ({ payload: Buffer.from(payload), mask }));
  }
}

function newHalf(): Half {
  return { bytes: Buffer.allocUnsafeSlow(HALF_BYTES), usedBytes: 0, appends: [] };
}

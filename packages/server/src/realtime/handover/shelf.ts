/**
 * Keeps copies of many short-lived payloads for all sessions of the process, in blocks that are
 * used again: memory of its own for each would cost more than relaying it does. Whoever keeps one
 * gives it back once, and does not read it afterwards; what is never given back is garbage with its
 * block.
 */
const BLOCK_BYTES = 256 * 1024;
/** Longer ones have memory of their own. */
const SHARED_MAX_BYTES = BLOCK_BYTES / 4;
/** Blocks that wait to be used again. */
const SPARE_MAX = 64;

interface Block {
  readonly bytes: Buffer;
  usedBytes: number;
  kept: number;
}

export interface Kept {
  readonly bytes: Buffer;
  /** Null where it has memory of its own. */
  readonly block: Block | null;
}

export class Shelf {
  #block = newBlock();
  readonly #spare: Block[] = [];

  keep(payload: Buffer): Kept {
    if (payload.length > SHARED_MAX_BYTES) return { bytes: Buffer.from(payload), block: null };
    if (this.#block.usedBytes + payload.length > BLOCK_BYTES) {
      this.#block = this.#spare.pop() ?? newBlock();
    }
    const block = this.#block;
    const from = block.usedBytes;
    block.usedBytes += payload.copy(block.bytes, from);
    block.kept += 1;
    return { bytes: block.bytes.subarray(from, block.usedBytes), block };
  }

  giveBack({ block }: Kept): void {
    if (block === null) return;
    block.kept -= 1;
    if (block.kept > 0) return;
    block.usedBytes = 0;
    if (block !== this.#block && this.#spare.length < SPARE_MAX) this.#spare.push(block);
  }
}

function newBlock(): Block {
  return { bytes: Buffer.allocUnsafeSlow(BLOCK_BYTES), usedBytes: 0, kept: 0 };
}

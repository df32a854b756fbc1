/** Blocks of memory that the sessions of a process take and give back; at most so many at once. */
import { keptBlockBytes } from './limits.ts';

/** Blocks that wait to be taken again instead of being left to the garbage collector. */
const SPARE_MAX = 256;

export class BlockPool {
  readonly #limitBytes: number;
  readonly #spare: Buffer[] = [];
  #taken = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get takenBytes(): number {
    return this.#taken * keptBlockBytes;
  }

  /** A block whose content is of anybody before; null where no more may be taken. */
  take(): Buffer | null {
    if (this.takenBytes + keptBlockBytes > this.#limitBytes) return null;
    this.#taken += 1;
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(keptBlockBytes);
  }

  giveBack(blocks: readonly Buffer[]): void {
    this.#taken -= blocks.length;
    this.#spare.push(...blocks.slice(0, SPARE_MAX - this.#spare.length));
  }
}

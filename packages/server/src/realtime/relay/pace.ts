import type { RelayLimits } from './limits.ts';

/** What a data frame costs beside its bytes: each is looked at, however short it is. */
const FRAME_BYTES = 1024;
/** How many seconds' worth may come at once. */
const BURST_SECONDS = 4;

/**
 * How much one client may still send now. What it sends beyond is not refused: it is not read until
 * its allowance has come back.
 */
export class Pace {
  readonly #bytesPerSecond: number;
  #leftBytes: number;
  #framesSeen = 0;
  #filledAtMs: number;

  constructor(limits: RelayLimits, nowMs: number) {
    this.#bytesPerSecond = limits.clientBytesPerSecond;
    this.#leftBytes = BURST_SECONDS * limits.clientBytesPerSecond;
    this.#filledAtMs = nowMs;
  }

  /** Counts what was read; `frames` is the number of data frames so far. */
  spend(bytes: number, frames: number): void {
    this.#leftBytes -= bytes + FRAME_BYTES * (frames - this.#framesSeen);
    this.#framesSeen = frames;
  }

  /** Gives back what the time since the last call is worth. */
  refill(nowMs: number): void {
    const more = (this.#bytesPerSecond * (nowMs - this.#filledAtMs)) / 1_000;
    this.#filledAtMs = nowMs;
    this.#leftBytes = Math.min(this.#leftBytes + more, BURST_SECONDS * this.#bytesPerSecond);
  }

  get spent(): boolean {
    return this.#leftBytes < 0;
  }
}

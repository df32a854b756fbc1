/** How much audio a file holds, found by walking through its own structure. */
export interface Extent {
  readonly durationS: number;
  /** What its header says; null where it says nothing. */
  readonly headerDurationS: number | null;
  /** The file ends within one of its parts, or before the end that its format demands. */
  readonly isCut: boolean;
  /** What the recorder could not know when it wrote the header, in the order of the file. */
  readonly edits?: readonly Edit[];
}

/** Replaces `remove` bytes at `at`. */
export interface Edit {
  readonly at: number;
  readonly remove: number;
  readonly insert: Buffer;
}

/** Why a file is refused; completes the sentence "audio_file …". */
export class Fault extends Error {}

/** A clock that goes back by more than this has started anew. */
const BACK_S = 1;

/**
 * The audio of a file on its player's clock. Where the clock starts anew, as in recordings that
 * were joined, it goes on from the end of what was there before.
 */
export class Timeline {
  #beforeS = 0;
  #startS: number | null = null;
  #endS = 0;

  add(startS: number, endS: number): void {
    if (this.#startS !== null && startS < this.#endS - BACK_S) this.restart();
    this.#startS = Math.min(this.#startS ?? startS, startS);
    this.#endS = Math.max(this.#endS, endS);
  }

  /** What comes now belongs to another recording. */
  restart(): void {
    this.#beforeS = this.durationS;
    this.#startS = null;
    this.#endS = 0;
  }

  get durationS(): number {
    return this.#beforeS + (this.#startS === null ? 0 : this.#endS - this.#startS);
  }
}

const MS_OF_CONFIG = [10, 20, 40, 60, 10, 20, 40, 60, 10, 20, 40, 60, 10, 20, 10, 20];
const CELT_MS = [2.5, 5, 10, 20];
const TWO_FRAMES = 2;

/** How long an Opus packet lasts, by its first two bytes (RFC 6716, section 3.1). */
export function opusSeconds(packet: Buffer): number {
  const toc = packet[0];
  if (toc === undefined) return 0;
  const config = toc >> 3;
  const frameMs = MS_OF_CONFIG[config] ?? CELT_MS[config & 3]!;
  const code = toc & 3;
  const frames = code === 0 ? 1 : code === 3 ? (packet[1] ?? 0) & 0x3f : TWO_FRAMES;
  return (frameMs * frames) / 1000;
}

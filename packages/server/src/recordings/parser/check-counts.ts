import { boxes } from './boxes.ts';
import type { Bytes } from './bytes.ts';

/**
 * ISO media files (MP4) announce samples by number alone where all have the same size: a few bytes
 * may announce four billion of them, and a parser makes an object of each. A sample has at least
 * one byte, so a file with fewer bytes than samples is none.
 */
const CONTAINERS = new Set(['moov', 'trak', 'mdia', 'minf', 'stbl', 'moof', 'traf']);
/** Where the number of samples stands in a box, behind its header. */
const COUNT_AT: Readonly<Record<string, number>> = { trun: 4, stsz: 8, stz2: 8 };

/** Whether the file announces more samples than it has bytes. Any file may be asked about. */
export function announcesTooMuch(bytes: Bytes): boolean {
  let samples = 0;
  const walk = (from: number, to: number): void => {
    for (const box of boxes(bytes, from, to)) {
      if (CONTAINERS.has(box.type)) walk(box.body, box.end);
      const countAt = COUNT_AT[box.type];
      if (countAt !== undefined) samples += bytes.uint32(box.body + countAt);
    }
  };
  walk(0, bytes.sizeBytes);
  return samples > bytes.sizeBytes;
}

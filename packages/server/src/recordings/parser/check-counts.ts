import type { Bytes } from './bytes.ts';

/**
 * ISO media files (MP4) announce samples by number alone where all have the same size: a few bytes
 * may announce four billion of them, and a parser makes an object of each. A sample has at least
 * one byte, so a file with fewer bytes than samples is none.
 */
const CONTAINERS = new Set(['moov', 'trak', 'mdia', 'minf', 'stbl', 'moof', 'traf']);
/** Where the number of samples stands in a box, behind its header. */
const COUNT_AT: Readonly<Record<string, number>> = { trun: 4, stsz: 8, stz2: 8 };
const HEADER_BYTES = 8;
const LONG_HEADER_BYTES = 16;

/** Whether the file announces more samples than it has bytes. Any file may be asked about. */
export function announcesTooMuch(bytes: Bytes): boolean {
  let samples = 0;
  const walk = (from: number, to: number): void => {
    for (let at = from; at + HEADER_BYTES <= to; ) {
      const head = bytes.read(at, LONG_HEADER_BYTES + HEADER_BYTES);
      const type = head.toString('latin1', 4, HEADER_BYTES);
      const short = head.readUInt32BE(0);
      const isLong = short === 1 && head.length >= LONG_HEADER_BYTES;
      const headBytes = isLong ? LONG_HEADER_BYTES : HEADER_BYTES;
      const sizeBytes = isLong ? Number(head.readBigUInt64BE(HEADER_BYTES)) : short || to - at;
      if (sizeBytes < headBytes) return;
      const end = Math.min(to, at + sizeBytes);
      if (CONTAINERS.has(type)) walk(at + headBytes, end);
      const countAt = COUNT_AT[type];
      if (countAt !== undefined) samples += bytes.uint32(at + headBytes + countAt);
      at = end;
    }
  };
  walk(0, bytes.sizeBytes);
  return samples > bytes.sizeBytes;
}

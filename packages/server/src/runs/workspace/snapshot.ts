import type { Readable } from 'node:stream';
import { HoldfastError } from '../../kernel/index.ts';
import { SNAPSHOT_WORD } from './scripts.ts';
import type { SavedWork } from './workspace.ts';

const LINE = new RegExp(`^${SNAPSHOT_WORD} ([0-9a-f]{40}) ([0-9a-f]{40}) ([0-9a-f]{40})$`);
const LINE_BYTES = SNAPSHOT_WORD.length + 3 * 41;
const NEWLINE = 0x0a;

/**
 * Splits the script's output into its line and the pack after it, which must be consumed. The names
 * are well-formed; nothing else about them is checked. No file is read, which could change or be a
 * link.
 */
export async function readSnapshot(
  output: Readable,
): Promise<{ work: SavedWork | null; pack: AsyncIterable<Uint8Array> }> {
  const chunks = output[Symbol.asyncIterator]();
  let start = Buffer.alloc(0);
  while (!start.includes(NEWLINE) && start.length <= LINE_BYTES) {
    const { done, value } = await chunks.next();
    // The script failed; its exit code shows why.
    if (done) return { work: null, pack: rest(Buffer.alloc(0), chunks) };
    start = Buffer.concat([start, value as Buffer]);
  }
  const end = start.indexOf(NEWLINE);
  const match = LINE.exec(start.subarray(0, Math.max(end, 0)).toString('latin1'));
  if (!match) {
    const cause = new Error('the snapshot line is malformed');
    throw new HoldfastError('unprocessable', 'The snapshot cannot be read.', { cause });
  }
  return {
    work: { commit: match[1]!, headCommit: match[2]!, indexTree: match[3]! },
    pack: rest(start.subarray(end + 1), chunks),
  };
}

async function* rest(first: Buffer, others: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (first.length > 0) yield first;
  for (let next = await others.next(); !next.done; next = await others.next()) yield next.value;
}

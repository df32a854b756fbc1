import type { Readable } from 'node:stream';
import { HoldfastError } from '../../kernel/index.ts';
import { SNAPSHOT_WORD } from './scripts.ts';

/** What the snapshot script says it made. Well-formed names, and nothing more is known of them. */
export interface SnapshotLine {
  readonly commit: string;
  /** The commit the agent was on; the snapshot's parent, or the snapshot itself. */
  readonly head: string;
  readonly indexTree: string;
}

const LINE = new RegExp(`^${SNAPSHOT_WORD} ([0-9a-f]{40}) ([0-9a-f]{40}) ([0-9a-f]{40})$`);
const LINE_BYTES = SNAPSHOT_WORD.length + 3 * 41;
const NEWLINE = 0x0a;

/**
 * Splits the script's output into its line and the pack after it, which must be consumed. Nothing
 * comes by a file that could be changed, or be a link, while it is read.
 */
export async function readSnapshot(
  output: Readable,
): Promise<{ line: SnapshotLine | null; pack: AsyncIterable<Uint8Array> }> {
  const chunks = output[Symbol.asyncIterator]();
  let start = Buffer.alloc(0);
  while (!start.includes(NEWLINE) && start.length <= LINE_BYTES) {
    const { done, value } = await chunks.next();
    // The script failed; it says why by its exit.
    if (done) return { line: null, pack: rest(Buffer.alloc(0), chunks) };
    start = Buffer.concat([start, value as Buffer]);
  }
  const end = start.indexOf(NEWLINE);
  const match = LINE.exec(start.subarray(0, Math.max(end, 0)).toString('latin1'));
  if (!match) {
    const cause = new Error('the snapshot line is malformed');
    throw new HoldfastError('unprocessable', 'The snapshot cannot be read.', { cause });
  }
  const line = { commit: match[1]!, head: match[2]!, indexTree: match[3]! };
  return { line, pack: rest(start.subarray(end + 1), chunks) };
}

async function* rest(first: Buffer, others: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (first.length > 0) yield first;
  for (let next = await others.next(); !next.done; next = await others.next()) yield next.value;
}

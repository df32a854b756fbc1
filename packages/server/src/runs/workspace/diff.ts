import { PassThrough, pipeline, type Readable } from 'node:stream';
import type { ChangedFile } from '@holdfast/protocol';
import { HoldfastError } from '../../kernel/index.ts';
import { keptOutput } from '../sandbox/group-process.ts';
import { git, keepErrors, killGit, spawnGit } from './git.ts';
import type { Mirror } from './mirror.ts';
import type { DiffSummary, WorkspaceLimits } from './workspace.ts';

const COMMON = ['--no-ext-diff', '--no-textconv', '--no-color', '-r', '-M', '-l1000'];
/** Enough for the paths of far more files than are listed. */
const LIST_MAX_BYTES = 64 * 1024 ** 2;

const COLON = 0x3a;
const STATUSES: Readonly<Record<string, ChangedFile['status']>> = {
  A: 'added',
  M: 'modified',
  D: 'deleted',
  R: 'renamed',
  T: 'type_changed',
};

/** Files that differ between two commits of a mirror, with counts. */
export async function diffSummary(
  mirror: Mirror,
  commits: { base: string; commit: string },
  filesMax: number,
): Promise<DiffSummary> {
  const args = ['diff-tree', ...COMMON, '--raw', '--numstat', '--no-abbrev', '-z'];
  const output = await git([...args, '--end-of-options', commits.base, commits.commit], {
    ...mirror.options(),
    maxOutputBytes: LIST_MAX_BYTES,
  });
  return parseDiff(output, filesMax);
}

/**
 * Reads `--raw --numstat -z`: first one record per file with its status, then, in the same order,
 * one with its counts. A path may hold any byte but NUL; bytes that are not UTF-8 are shown
 * escaped.
 */
export function parseDiff(output: Buffer, filesMax: number): DiffSummary {
  const fields = splitNul(output);
  const files: ChangedFile[] = [];
  let at = 0;
  while (fields[at]?.[0] === COLON) {
    const letter = fields[at]!.toString('latin1').split(' ')[4]?.[0] ?? '';
    const isPair = letter === 'R' || letter === 'C';
    const path = showPath(fields[at + (isPair ? 2 : 1)]!);
    const oldPath = isPair ? showPath(fields[at + 1]!) : null;
    const status = STATUSES[letter] ?? 'modified';
    files.push({ path, old_path: oldPath, status, insertions: null, deletions: null });
    at += isPair ? 3 : 2;
  }
  let [insertions, deletions] = [0, 0];
  for (const file of files) {
    const [added = '-', removed = '-', path = ''] = (fields[at] ?? Buffer.alloc(0))
      .toString('latin1')
      .split('\t');
    at += path === '' ? 3 : 1;
    if (added === '-' || removed === '-') continue;
    file.insertions = Number(added);
    file.deletions = Number(removed);
    insertions += file.insertions;
    deletions += file.deletions;
  }
  return { files: files.slice(0, filesMax), insertions, deletions };
}

function splitNul(output: Buffer): Buffer[] {
  const fields: Buffer[] = [];
  let start = 0;
  for (let end = output.indexOf(0); end >= 0; end = output.indexOf(0, start)) {
    fields.push(output.subarray(start, end));
    start = end + 1;
  }
  return fields;
}

/** Bytes that are not UTF-8 as `\xNN`, so that two such paths stay distinct. */
export function showPath(path: Buffer): string {
  const text = path.toString('utf8');
  if (Buffer.from(text, 'utf8').equals(path)) return text;
  return path
    .toString('latin1')
    .replaceAll(/[^\x20-\x7e]/g, char => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/**
 * The patch as git writes it, binary files included. The stream fails with `payload_too_large`
 * beyond the limit and with `internal` when git does; destroying it ends git.
 */
export function patchStream(
  mirror: Mirror,
  commits: { base: string; commit: string },
  limits: WorkspaceLimits,
): Readable {
  const args = ['diff-tree', ...COMMON, '--patch', '--binary', '--full-index'];
  const options = mirror.options();
  const child = spawnGit([...args, '--end-of-options', commits.base, commits.commit], options);
  const timer = setTimeout(() => killGit(child), options.timeoutMs);
  const errors = keepErrors(child);
  child.stdin!.on('error', () => {}).end();
  const output = keptOutput(child.stdout!);
  const source = async function* () {
    let sizeBytes = 0;
    for await (const chunk of output as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length;
      if (sizeBytes > limits.patchMaxBytes) {
        const detail = `The patch is larger than ${limits.patchMaxBytes} bytes.`;
        throw new HoldfastError('payload_too_large', detail);
      }
      yield chunk;
    }
    if (child.exitCode === null) await new Promise(resolve => child.once('close', resolve));
    if (child.exitCode !== 0) throw new Error(`git diff-tree: ${errors()}`);
  };
  const patch = new PassThrough();
  pipeline(source, patch, () => {
    clearTimeout(timer);
    killGit(child);
  });
  return patch;
}

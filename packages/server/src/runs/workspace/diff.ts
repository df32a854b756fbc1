import { PassThrough, pipeline, type Readable } from 'node:stream';
import type { ChangedFile } from '@holdfast/protocol';
import { HoldfastError } from '../../kernel/index.ts';
import { keptOutput } from '../sandbox/group-process.ts';
import type { BareRepository } from './bare-repository.ts';
import { git, keepErrors, killGit, LARGE_FILE_BYTES, spawnGit } from './git.ts';
import type { DiffSummary, WorkspaceLimits } from './workspace.ts';

const COMMON = ['--no-ext-diff', '--no-textconv', '--no-color', '-r'];
/** Of large files only those that are equal count as renamed: finding others means reading them. */
const RENAMES = ['-M', '-l1000'];
const EQUAL_RENAMES = ['-M100%'];
/** Enough for the paths of far more files than are listed. */
const LIST_MAX_BYTES = 64 * 1024 ** 2;

/** Of a file's path in an error. */
const PATH_MAX_CHARS = 200;
const COLON = 0x3a;
const STATUSES: Readonly<Record<string, ChangedFile['status']>> = {
  A: 'added',
  M: 'modified',
  D: 'deleted',
  R: 'renamed',
  T: 'type_changed',
};

interface Commits {
  readonly base: string;
  readonly commit: string;
}

/** Files that differ between two commits of a repository, with counts; large ones without. */
export async function diffSummary(
  objects: BareRepository,
  commits: Commits,
  filesMax: number,
): Promise<DiffSummary> {
  const large = await largeChange(objects, commits);
  const renames = large === null ? RENAMES : EQUAL_RENAMES;
  const args = ['diff-tree', ...COMMON, ...renames, '--raw', '--numstat', '--no-abbrev', '-z'];
  const output = await git([...args, '--end-of-options', commits.base, commits.commit], {
    ...objects.options(),
    maxOutputBytes: LIST_MAX_BYTES,
  });
  return parseDiff(output, filesMax);
}

/**
 * The first changed file that is too large to be compared, before or after the change; null: none.
 * Reads sizes only: a sparse file of gigabytes costs its author nothing.
 */
async function largeChange(
  objects: BareRepository,
  { base, commit }: Commits,
): Promise<{ path: string; sizeBytes: number } | null> {
  const options = { ...objects.options(), maxOutputBytes: LIST_MAX_BYTES };
  const list = ['diff-tree', ...COMMON, '--no-renames', '--raw', '--no-abbrev', '-z'];
  const fields = splitNul(await git([...list, '--end-of-options', base, commit], options));
  // `:100644 100644 <old> <new> M`, then the path.
  const changes = Array.from({ length: fields.length / 2 }, (_, at) => ({
    names: fields[2 * at]!.toString('latin1').split(' ').slice(2, 4),
    path: fields[2 * at + 1]!,
  }));
  const check = ['cat-file', '--batch-check=%(objecttype) %(objectsize)'];
  const input = changes.flatMap(change => change.names.map(name => `${name}\n`)).join('');
  // The name of what is absent, only zeros, is answered with `missing`, a submodule's too.
  const sizes = (await git(check, { ...options, input })).toString('latin1').split('\n');
  for (const [at, change] of changes.entries()) {
    for (const line of sizes.slice(2 * at, 2 * at + 2)) {
      const sizeBytes = Number(/^blob (\d+)$/.exec(line)?.[1] ?? 0);
      if (sizeBytes > LARGE_FILE_BYTES) return { path: showPath(change.path), sizeBytes };
    }
  }
  return null;
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

export function splitNul(output: Buffer): Buffer[] {
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
 * The patch as git writes it, binary files included. Throws `payload_too_large` for a large file;
 * the stream fails with it beyond the limit, and with `internal` when git does; destroying it ends
 * git.
 */
export async function patchStream(
  objects: BareRepository,
  commits: Commits,
  limits: WorkspaceLimits,
): Promise<Readable> {
  const large = await largeChange(objects, commits);
  if (large !== null) {
    const detail =
      `The patch cannot be shown: ${large.path.slice(0, PATH_MAX_CHARS)} has ${large.sizeBytes} ` +
      `bytes, and files of a patch have at most ${LARGE_FILE_BYTES}.`;
    throw new HoldfastError('payload_too_large', detail);
  }
  const args = ['diff-tree', ...COMMON, ...RENAMES, '--patch', '--binary', '--full-index'];
  const options = objects.options();
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

import { randomUUID } from 'node:crypto';
import { chmod, mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { HoldfastError } from '../../kernel/index.ts';
import type { BareRepository } from './bare-repository.ts';
import { removeTree } from './disk.ts';
import { GitError, type GitOptions, git } from './git.ts';

/** The claims about a pack. They come from the sandbox and are checked here. */
interface PackClaim {
  /** The commit, and other objects that must be complete. */
  readonly commit: string;
  readonly others: readonly string[];
  readonly base: string;
  /** An earlier, already accepted commit that the pack may lean on. */
  readonly previous: string | null;
}

/**
 * Takes a pack that an agent could change into the objects of its run:
 *
 *   bytes ─ size limit ─▶ index-pack --strict in a folder ─▶ claims, connectivity ─▶ objects
 *
 * The folder sees the run's objects, the mirror's behind them, and no others; no alternates of the
 * agent's are ever read.
 * Throws `unprocessable` for any flaw and then changes nothing.
 */
export async function importPack(
  objects: BareRepository,
  pack: AsyncIterable<Uint8Array>,
  claim: PackClaim & { readonly maxBytes: number; readonly timeoutMs: number },
): Promise<void> {
  const folder = join(objects.dir, `quarantine-${randomUUID()}`);
  await mkdir(join(folder, 'pack'), { recursive: true, mode: 0o700 });
  const alone = { GIT_OBJECT_DIRECTORY: folder };
  const joined = { ...alone, GIT_ALTERNATE_OBJECT_DIRECTORIES: objects.objectsDir };
  const { timeoutMs } = claim;
  try {
    const args = ['index-pack', '--stdin', '--strict', `--max-input-size=${claim.maxBytes}`];
    const input = Readable.from(limited(pack, claim.maxBytes), { objectMode: false });
    await refuse(() => git(args, objects.options({ env: joined, input, timeoutMs })));
    await refuse(() => checkClaim(objects, claim, { alone, joined }));
    await moveInto(objects, join(folder, 'pack'));
  } finally {
    await removeTree(folder);
  }
}

async function checkClaim(
  objects: BareRepository,
  claim: PackClaim,
  views: { readonly alone: GitOptions['env']; readonly joined: GitOptions['env'] },
): Promise<void> {
  const { commit, base, previous, others } = claim;
  const isKnown =
    commit === base ||
    (previous !== null &&
      (await objects.hasCommit(commit)) &&
      (await objects.isAncestor(commit, previous)));
  if (!isKnown) {
    // The pack itself must hold it: a commit in the mirror is not of this run.
    const type = await objects.git(['cat-file', '-t', commit], { env: views.alone });
    if (type !== 'commit') throw refusal(new Error(`${commit} is a ${type}`));
  }
  if (!(await objects.isAncestor(base, commit, views.joined))) {
    throw refusal(new Error(`${commit} does not descend from ${base}`));
  }
  const exclude = [base, ...(previous === null ? [] : [previous])].map(name => `^${name}`);
  const input = `${[commit, ...others, ...exclude].join('\n')}\n`;
  const args = ['rev-list', '--objects', '--quiet', '--stdin'];
  await git(args, objects.options({ env: views.joined, input }));
}

/** The index goes last: git finds a pack by it. */
async function moveInto(objects: BareRepository, from: string): Promise<void> {
  const to = join(objects.objectsDir, 'pack');
  await mkdir(to, { recursive: true });
  const names = await readdir(from);
  const late = (name: string) => Number(name.endsWith('.idx'));
  for (const name of names.toSorted((a, b) => late(a) - late(b))) {
    await chmod(join(from, name), 0o444);
    await rename(join(from, name), join(to, name));
  }
}

/** Passes on at most `maxBytes`. Throws `payload_too_large` beyond. */
export async function* limited(
  source: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<Uint8Array> {
  let sizeBytes = 0;
  for await (const chunk of source) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) {
      const detail = `The work is larger than ${maxBytes} bytes and was not taken over.`;
      throw new HoldfastError('payload_too_large', detail);
    }
    yield chunk;
  }
}

async function refuse<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof GitError ? refusal(error) : error;
  }
}

function refusal(cause: Error): HoldfastError {
  const detail = 'The output of the sandbox is not sound git data and was not taken over.';
  return new HoldfastError('unprocessable', detail, { cause });
}

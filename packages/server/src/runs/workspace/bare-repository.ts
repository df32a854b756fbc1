import { once } from 'node:events';
import { mkdir, readdir, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../../kernel/index.ts';
import { keptOutput } from '../sandbox/group-process.ts';
import { foldersBelow, removeOlder, removeTree } from './disk.ts';
import { type GitOptions, git, gitTest, keepErrors, killGit, spawnGit } from './git.ts';
import type { WorkspaceLimits } from './workspace.ts';

const COMMIT = /^[0-9a-f]{40}$/;
/** Leftovers of a killed git or server: locks, half packs, quarantines. */
const LEFTOVER = /\.lock$|^tmp_|^quarantine-/;
/** Longer than any operation on a repository takes. */
export const LEFTOVER_AGE_MS = 20 * 60_000;
/** Every fetch and every snapshot adds a pack, and each slows later commands a little. */
export const PACKS_MAX = 50;
const USED_FILE = 'holdfast-used';

/**
 * A repository of the worker's own, on which the server runs git. Sandboxes see its objects,
 * read-only, and nothing else of it.
 */
export class BareRepository {
  readonly dir: string;
  readonly objectsDir: string;
  protected readonly limits: WorkspaceLimits;

  constructor(dir: string, limits: WorkspaceLimits) {
    this.dir = dir;
    this.objectsDir = join(dir, 'objects');
    this.limits = limits;
  }

  /** Runs git on this repository. */
  async git(args: readonly string[], options: Partial<GitOptions> = {}): Promise<string> {
    const output = await git(args, this.options(options));
    return output.toString('utf8').trim();
  }

  options(options: Partial<GitOptions> = {}): GitOptions {
    return { gitDir: this.dir, timeoutMs: this.limits.gitTimeoutMs, ...options };
  }

  async exists(): Promise<boolean> {
    return stat(join(this.dir, 'HEAD')).then(
      () => true,
      () => false,
    );
  }

  /** Appears whole: a killed process leaves a folder with another name. Needs the lock. */
  protected async create(): Promise<void> {
    const making = `${this.dir}.new`;
    await removeTree(making);
    await mkdir(making, { recursive: true, mode: 0o700 });
    // Readable by the agents' user, regardless of the server's umask.
    await git(['init', '--quiet', '--bare', '--template=', '--shared=0644', making], {
      timeoutMs: this.limits.gitTimeoutMs,
    });
    await mkdir(join(making, 'info'), { recursive: true });
    await writeFile(join(making, USED_FILE), '');
    await removeTree(this.dir);
    await rename(making, this.dir);
  }

  /** The commit of a branch, a tag or a commit's own name; null when there is none. */
  async resolve(ref: string): Promise<string | null> {
    const names = [`refs/heads/${ref}`, `refs/tags/${ref}`, ...(COMMIT.test(ref) ? [ref] : [])];
    for (const name of names) {
      const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`];
      const commit = await this.git(args).catch(() => '');
      if (COMMIT.test(commit)) return commit;
    }
    return null;
  }

  async hasCommit(commit: string): Promise<boolean> {
    if (!COMMIT.test(commit) || !(await this.exists())) return false;
    return (await this.resolve(commit)) === commit;
  }

  /** Throws `gone` where it is not here. */
  async expectCommit(commit: string): Promise<void> {
    if (await this.hasCommit(commit)) return;
    throw new HoldfastError('gone', 'This work is no longer on this worker.');
  }

  async isAncestor(ancestor: string, commit: string, env?: GitOptions['env']): Promise<boolean> {
    return gitTest(['merge-base', '--is-ancestor', ancestor, commit], this.options({ env }));
  }

  /**
   * A pack of what the revisions lead to; `^` before a name leaves out what that leads to. Throws
   * where git fails, so that half a pack is never taken for a whole one.
   */
  async *pack(revisions: readonly string[], timeoutMs: number): AsyncGenerator<Uint8Array> {
    const args = ['pack-objects', '--revs', '--stdout', '-q', '--delta-base-offset'];
    const child = spawnGit(args, this.options({ timeoutMs }));
    const timer = setTimeout(() => killGit(child), timeoutMs);
    const errors = keepErrors(child);
    const output = keptOutput(child.stdout!);
    const closed = once(child, 'close');
    closed.catch(() => {});
    child.stdin!.on('error', () => {});
    child.stdin!.end(revisions.map(name => `${name}\n`).join(''));
    try {
      yield* output as AsyncIterable<Uint8Array>;
      await closed;
      if (child.exitCode !== 0) throw new Error(`git pack-objects: ${errors()}`);
    } finally {
      clearTimeout(timer);
      killGit(child);
    }
  }

  /** Removes leftovers of killed git processes. Needs the lock. */
  async sweep(): Promise<void> {
    const isLeft = (name: string) => LEFTOVER.test(name);
    for (const folder of [this.dir, join(this.objectsDir, 'pack')]) {
      await removeOlder(folder, isLeft, LEFTOVER_AGE_MS);
    }
    for (const folder of await foldersBelow(join(this.dir, 'refs'))) {
      await removeOlder(folder, isLeft, LEFTOVER_AGE_MS);
    }
  }

  protected async hasManyPacks(): Promise<boolean> {
    const names = await readdir(join(this.objectsDir, 'pack')).catch(() => []);
    return names.filter(name => name.endsWith('.pack')).length > PACKS_MAX;
  }

  /** Records that it is used now. */
  async touch(): Promise<void> {
    const now = new Date();
    await utimes(join(this.dir, USED_FILE), now, now);
  }

  async usedMs(): Promise<number> {
    return stat(join(this.dir, USED_FILE)).then(
      info => info.mtimeMs,
      () => 0,
    );
  }
}

import { mkdir, readdir, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../../kernel/index.ts';
import { foldersBelow, removeOlder, removeTree, sizeOf } from './disk.ts';
import { type GitOptions, git, gitTest } from './git.ts';
import { listRemote, type Remote, talk } from './remote.ts';
import type { WorkspaceLimits } from './workspace.ts';

/** How often a fetch's growth is measured. */
const GROWTH_CHECK_MS = 500;
const COMMIT = /^[0-9a-f]{40}$/;
/** Every snapshot adds a pack, and every pack slows later commands a little. */
export const PACKS_MAX = 50;
/** Leftovers of a killed git or server: locks, half packs, quarantines. */
const LEFTOVER = /\.lock$|^tmp_|^quarantine-/;
/** Longer than any operation on a mirror takes. */
export const LEFTOVER_AGE_MS = 20 * 60_000;
const USED_FILE = 'holdfast-used';

/**
 * A bare repository that follows a remote: `refs/heads` and `refs/tags` as there, and the work of
 * runs below `refs/holdfast/`. Its objects are mounted read-only behind the runs' clones, so
 * nothing is ever pruned from it; it is removed as a whole.
 */
export class Mirror {
  readonly dir: string;
  readonly objectsDir: string;
  readonly #limits: WorkspaceLimits;

  constructor(dir: string, limits: WorkspaceLimits) {
    this.dir = dir;
    this.objectsDir = join(dir, 'objects');
    this.#limits = limits;
  }

  /** Runs git on this repository. */
  async git(args: readonly string[], options: Partial<GitOptions> = {}): Promise<string> {
    const output = await git(args, this.options(options));
    return output.toString('utf8').trim();
  }

  options(options: Partial<GitOptions> = {}): GitOptions {
    return { gitDir: this.dir, timeoutMs: this.#limits.gitTimeoutMs, ...options };
  }

  async exists(): Promise<boolean> {
    return stat(join(this.dir, 'HEAD')).then(
      () => true,
      () => false,
    );
  }

  /** Takes over the remote's branches and tags; makes the repository first. Needs the lock. */
  async fetch(remote: Remote): Promise<void> {
    const isNew = !(await this.exists());
    if (isNew) await this.#create();
    else await this.sweep();
    try {
      await this.#fetch(remote, ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*']);
    } catch (error) {
      // Half a repository is useless and would count against the disk.
      if (isNew) await removeTree(this.dir);
      throw error;
    }
  }

  /** One commit that no branch leads to any more; many servers still send it. */
  async fetchCommit(remote: Remote, commit: string): Promise<void> {
    await this.#fetch(remote, [commit]);
  }

  async #fetch(remote: Remote, refspecs: readonly string[]): Promise<void> {
    const growth = new AbortController();
    const watch = setInterval(async () => {
      const sizeBytes = await sizeOf(this.dir);
      if (sizeBytes > this.#limits.repositoryMaxBytes) growth.abort(this.#tooLarge());
    }, GROWTH_CHECK_MS);
    const args = [
      ...['fetch', '--quiet', '--prune', '--no-tags', '--no-write-fetch-head', '--force'],
      ...['--no-auto-maintenance', '--no-recurse-submodules', '--', remote.address, ...refspecs],
    ];
    try {
      const options = this.options({
        ...remote,
        timeoutMs: this.#limits.fetchTimeoutMs,
        signal: growth.signal,
      });
      await talk(() => git(args, options));
    } finally {
      clearInterval(watch);
    }
    if ((await sizeOf(this.dir)) > this.#limits.repositoryMaxBytes) throw this.#tooLarge();
  }

  #tooLarge(): HoldfastError {
    const max = this.#limits.repositoryMaxBytes;
    return new HoldfastError('unprocessable', `The repository is larger than ${max} bytes.`);
  }

  /** Appears whole: a killed process leaves a folder with another name. */
  async #create(): Promise<void> {
    const making = `${this.dir}.new`;
    await removeTree(making);
    await mkdir(making, { recursive: true, mode: 0o700 });
    // Readable by the agents' user, regardless of the server's umask.
    await git(['init', '--quiet', '--bare', '--template=', '--shared=0644', making], {
      timeoutMs: this.#limits.gitTimeoutMs,
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

  async isAncestor(ancestor: string, commit: string, env?: GitOptions['env']): Promise<boolean> {
    return gitTest(['merge-base', '--is-ancestor', ancestor, commit], this.options({ env }));
  }

  async remoteHead(remote: Remote): Promise<string> {
    const { head, refs } = await listRemote(remote, ['HEAD'], this.#limits.gitTimeoutMs);
    if (head !== null && refs.size > 0) return head;
    throw new HoldfastError('unprocessable', 'The repository has no commits yet.');
  }

  /** Throws `unprocessable` where the remote has no branch of this name. */
  async checkRemoteBranch(remote: Remote, branch: string): Promise<void> {
    const ref = `refs/heads/${branch}`;
    const { refs } = await listRemote(remote, [ref], this.#limits.gitTimeoutMs);
    if (refs.has(ref)) return;
    const detail = 'The repository has no branch of this name.';
    throw new HoldfastError('unprocessable', detail, { field: 'default_branch' });
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

  /**
   * Makes one pack of many, without objects that no ref leads to. Needs the lock, and that no clone
   * uses this mirror.
   */
  async repack(): Promise<void> {
    const names = await readdir(join(this.objectsDir, 'pack')).catch(() => []);
    if (names.filter(name => name.endsWith('.pack')).length <= PACKS_MAX) return;
    await this.git(['repack', '-a', '-d', '-q'], { timeoutMs: this.#limits.fetchTimeoutMs });
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

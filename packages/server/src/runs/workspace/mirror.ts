import { HoldfastError } from '../../kernel/index.ts';
import { BareRepository } from './bare-repository.ts';
import { removeTree, sizeOf } from './disk.ts';
import { git } from './git.ts';
import { listRemote, type Remote, talk } from './remote.ts';

/** How often a fetch's growth is measured. */
const GROWTH_CHECK_MS = 500;
/** Where the commits that runs start from are kept reachable. */
const BASES = 'refs/holdfast/bases/';

/**
 * A bare repository that follows a remote: `refs/heads` and `refs/tags` as there, and the bases of
 * runs, which the remote may drop. It holds what was fetched and nothing that a run made: all runs
 * on the repository see its objects. Nothing is pruned from it while a clone leans on it.
 */
export class Mirror extends BareRepository {
  /** Takes over the remote's branches and tags; makes the repository first. Needs the lock. */
  async fetch(remote: Remote): Promise<void> {
    const isNew = !(await this.exists());
    if (isNew) await this.create();
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
      if (sizeBytes > this.limits.repositoryMaxBytes) growth.abort(this.#tooLarge());
    }, GROWTH_CHECK_MS);
    const args = [
      ...['fetch', '--quiet', '--prune', '--no-tags', '--no-write-fetch-head', '--force'],
      ...['--no-auto-maintenance', '--no-recurse-submodules', '--', remote.address, ...refspecs],
    ];
    try {
      const options = this.options({
        ...remote,
        timeoutMs: this.limits.fetchTimeoutMs,
        signal: growth.signal,
      });
      await talk(() => git(args, options));
    } finally {
      clearInterval(watch);
    }
    if ((await sizeOf(this.dir)) > this.limits.repositoryMaxBytes) throw this.#tooLarge();
  }

  #tooLarge(): HoldfastError {
    const max = this.limits.repositoryMaxBytes;
    return new HoldfastError('unprocessable', `The repository is larger than ${max} bytes.`);
  }

  async remoteHead(remote: Remote): Promise<string> {
    const { head, refs } = await listRemote(remote, ['HEAD'], this.limits.gitTimeoutMs);
    if (head !== null && refs.size > 0) return head;
    throw new HoldfastError('unprocessable', 'The repository has no commits yet.');
  }

  /** Throws `unprocessable` where the remote has no branch of this name. */
  async checkRemoteBranch(remote: Remote, branch: string): Promise<void> {
    const ref = `refs/heads/${branch}`;
    const { refs } = await listRemote(remote, [ref], this.limits.gitTimeoutMs);
    if (refs.has(ref)) return;
    const detail = 'The repository has no branch of this name.';
    throw new HoldfastError('unprocessable', detail, { field: 'default_branch' });
  }

  /**
   * Makes one pack of many, without objects that no ref leads to. Needs the lock, and that no clone
   * uses this mirror.
   */
  async repack(): Promise<void> {
    if (!(await this.hasManyPacks())) return;
    await this.git(['repack', '-a', '-d', '-q'], { timeoutMs: this.limits.fetchTimeoutMs });
  }

  /** Keeps the base of a run, also when no branch leads to it any more. Needs the lock. */
  async keepBase(runId: string, base: string): Promise<void> {
    await this.git(['update-ref', `${BASES}${runId}`, base]);
  }

  /** Lets the bases of all other runs go with the next repacking. Needs the lock. */
  async keepBasesOf(runIds: ReadonlySet<string>): Promise<void> {
    const list = await this.git(['for-each-ref', '--format=%(refname)', BASES]);
    const gone = list.split('\n').filter(ref => ref && !runIds.has(ref.slice(BASES.length)));
    const input = gone.map(ref => `delete ${ref}\n`).join('');
    if (input !== '') await this.git(['update-ref', '--stdin'], { input });
  }
}

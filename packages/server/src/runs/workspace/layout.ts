import { lchown, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../../kernel/index.ts';
import type { Sandbox, SandboxOwner } from '../sandbox/sandbox.ts';
import { removeTree } from './disk.ts';

/** Ids that may become a part of a path. */
const ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$/;
const REPOSITORY_FILE = 'repository';

/**
 * The folders of one worker:
 *
 *   mirrors/<repository>.git   the bare mirror      mirrors/<repository>.lock
 *   runs/<run>/workspace       the clone            runs/<run>/home
 *   runs/<run>/repository      the repository's id: while it is there, the mirror stays
 */
export class Layout {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  get dir(): string {
    return this.#dir;
  }

  mirror(repositoryId: string): string {
    return join(this.#dir, 'mirrors', `${checkId(repositoryId)}.git`);
  }

  lock(repositoryId: string): string {
    return join(this.#dir, 'mirrors', `${checkId(repositoryId)}.lock`);
  }

  run(runId: string): string {
    return join(this.#dir, 'runs', checkId(runId));
  }

  async open(): Promise<void> {
    for (const part of ['mirrors', 'runs']) {
      await mkdir(join(this.#dir, part), { recursive: true, mode: 0o700 });
    }
  }

  /** Makes empty folders for a run, in place of any older ones. */
  async createRun(runId: string, repositoryId: string, sandbox: Sandbox): Promise<void> {
    const folder = this.run(runId);
    await removeTree(folder);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(join(folder, REPOSITORY_FILE), repositoryId);
    const owner = sandbox.ownerOf(runId);
    for (const part of ['workspace', 'home']) {
      await makeFolder(join(folder, part), owner);
    }
  }

  async runs(): Promise<string[]> {
    return (await readdir(join(this.#dir, 'runs'))).filter(name => ID.test(name));
  }

  /** Ids of the repositories that have a mirror here. */
  async mirrors(): Promise<string[]> {
    const names = await readdir(join(this.#dir, 'mirrors'));
    return names.filter(name => name.endsWith('.git')).map(name => name.slice(0, -'.git'.length));
  }

  /** Repositories whose mirrors have clones. */
  async pinned(): Promise<Set<string>> {
    const pinned = new Set<string>();
    for (const runId of await this.runs()) {
      const file = join(this.run(runId), REPOSITORY_FILE);
      const repositoryId = await readFile(file, 'utf8').catch(() => undefined);
      if (repositoryId !== undefined) pinned.add(repositoryId);
    }
    return pinned;
  }
}

function checkId(id: string): string {
  if (ID.test(id)) return id;
  throw new HoldfastError('invalid_request', 'Not an id.');
}

/** A folder for processes of `owner`; undefined: of the server's user. */
export async function makeFolder(path: string, owner: SandboxOwner | undefined): Promise<void> {
  await mkdir(path, { mode: 0o700 });
  if (owner) await lchown(path, owner.uid, owner.gid);
}

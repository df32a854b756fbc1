import { lchown, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../../kernel/index.ts';
import type { Sandbox, SandboxOwner } from '../sandbox/sandbox.ts';
import { removeTree } from './disk.ts';

/** Ids that may become a part of a path. */
const ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$/;
const PIN_FILE = 'mirror';
const FORMER_PIN_FILE = 'repository';
const SUFFIX = '.mirror';
const FORMER_SUFFIX = '.git';

/**
 * The folders of one worker:
 *
 *   mirrors/<repository>.mirror   the bare mirror      mirrors/<repository>.lock
 *   objects/<repository>/<run>    what the run made    runs/<run>/home
 *   runs/<run>/workspace          the clone
 *   runs/<run>/mirror             the repository's id: while it is there, the mirror stays
 *
 * Workers of version 0.1 had the objects of all runs in `mirrors/<repository>.git`, which stays
 * while one of them has a run at work, with a file `runs/<run>/repository`.
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
    return join(this.#dir, 'mirrors', `${checkId(repositoryId)}${SUFFIX}`);
  }

  formerMirror(repositoryId: string): string {
    return join(this.#dir, 'mirrors', `${checkId(repositoryId)}${FORMER_SUFFIX}`);
  }

  objects(repositoryId: string, runId: string): string {
    return join(this.#dir, 'objects', checkId(repositoryId), checkId(runId));
  }

  lock(repositoryId: string): string {
    return join(this.#dir, 'mirrors', `${checkId(repositoryId)}.lock`);
  }

  run(runId: string): string {
    return join(this.#dir, 'runs', checkId(runId));
  }

  async open(): Promise<void> {
    for (const part of ['mirrors', 'objects', 'runs']) {
      await mkdir(join(this.#dir, part), { recursive: true, mode: 0o700 });
    }
  }

  /** Makes empty folders for a run, in place of any older ones. */
  async createRun(runId: string, repositoryId: string, sandbox: Sandbox): Promise<void> {
    const folder = this.run(runId);
    await removeTree(folder);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(join(folder, PIN_FILE), repositoryId);
    const owner = sandbox.ownerOf(runId);
    for (const part of ['workspace', 'home']) {
      await makeFolder(join(folder, part), owner);
    }
  }

  async runs(): Promise<string[]> {
    return (await readdir(join(this.#dir, 'runs'))).filter(name => ID.test(name));
  }

  /** Ids of the repositories that have a mirror here. */
  mirrors(): Promise<string[]> {
    return this.#mirrors(SUFFIX);
  }

  formerMirrors(): Promise<string[]> {
    return this.#mirrors(FORMER_SUFFIX);
  }

  async #mirrors(suffix: string): Promise<string[]> {
    const names = await readdir(join(this.#dir, 'mirrors'));
    return names.filter(name => name.endsWith(suffix)).map(name => name.slice(0, -suffix.length));
  }

  /** Ids of the repositories of which runs have objects here. */
  async repositories(): Promise<string[]> {
    return (await readdir(join(this.#dir, 'objects'))).filter(name => ID.test(name));
  }

  /** Ids of the runs on a repository that have objects here. */
  async runsOn(repositoryId: string): Promise<string[]> {
    const folder = join(this.#dir, 'objects', checkId(repositoryId));
    return (await readdir(folder).catch(() => [])).filter(name => ID.test(name));
  }

  /** Repositories whose mirrors have clones. */
  pinned(): Promise<Set<string>> {
    return this.#pinned(PIN_FILE);
  }

  formerlyPinned(): Promise<Set<string>> {
    return this.#pinned(FORMER_PIN_FILE);
  }

  async #pinned(name: string): Promise<Set<string>> {
    const pinned = new Set<string>();
    for (const runId of await this.runs()) {
      const file = join(this.run(runId), name);
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

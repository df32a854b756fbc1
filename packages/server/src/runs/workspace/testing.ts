import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { newId } from '../../kernel/index.ts';
import { type BlobStore, openFilesystemBlobs } from '../../platform/blobs/index.ts';
import { oneKeySealer } from '../../platform/secrets/testing.ts';
import type { Sandbox } from '../sandbox/index.ts';
import { type Ended, sh, sharedSandbox, temporaryFolder } from '../sandbox/testing.ts';
import type { BlobPorts } from './checkpoint.ts';
import {
  createWorkspaces,
  type Workspace,
  type Workspaces,
  type WorkspacesOptions,
} from './index.ts';
import type { KeptRuns, RepositorySource } from './workspace.ts';

const AUTHOR = {
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.com',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.com',
  GIT_CONFIG_GLOBAL: '/dev/null',
};

/** Git of a person, in that person's repository. Returns its output. */
export function personGit(cwd: string, ...args: string[]): string {
  const env = { ...process.env, ...AUTHOR };
  return execFileSync('git', args, { cwd, env, encoding: 'utf8', stdio: 'pipe' }).trim();
}

/** A repository with a branch `main`, one commit, and these files. */
export function makeRepository(folder: string, files: Record<string, string | Buffer>): string {
  mkdirSync(folder, { recursive: true });
  personGit(folder, 'init', '-q', '-b', 'main', '.');
  return commitFiles(folder, files);
}

export function commitFiles(folder: string, files: Record<string, string | Buffer>): string {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  personGit(folder, 'add', '-A');
  personGit(folder, 'commit', '-q', '-m', 'work');
  return personGit(folder, 'rev-parse', 'HEAD');
}

export interface World {
  readonly folder: string;
  readonly sandbox: Sandbox;
  readonly blobs: BlobStore;
  readonly sealer: BlobPorts['sealer'];
  readonly workspaces: Workspaces;
  /** The person's repository, and how the server knows it. */
  readonly origin: string;
  readonly source: RepositorySource;
  /** The folder of the worker. */
  readonly dir: string;
  /** Another worker on the same blobs. */
  another(options?: Partial<WorkspacesOptions>): Promise<Workspaces>;
  prepare(baseRef?: string | null): Promise<Workspace>;
}

export const FILES = {
  'README.md': '# Sample\n',
  'src/main.txt': 'one\ntwo\nthree\n',
  '.gitignore': 'ignored/\n',
  'image.bin': Buffer.from([0, 1, 2, 255, 0, 7]),
};

/** A repository of four files, a sandbox that isolates, and a worker's workspaces. */
export async function createWorld(options: Partial<WorkspacesOptions> = {}): Promise<World> {
  const folder = await temporaryFolder();
  const sandbox = await sharedSandbox();
  const origin = join(folder, 'origin');
  makeRepository(origin, FILES);
  const blobs = await openFilesystemBlobs({
    dir: join(folder, 'blobs'),
    baseUrl: () => 'http://localhost:8080',
    signingKey: Buffer.alloc(32),
  });
  const sealer = options.sealer ?? oneKeySealer();
  const make = (dir: string, more: Partial<WorkspacesOptions> = {}) =>
    createWorkspaces({ dir: join(folder, dir), blobs, sandbox, ...options, sealer, ...more });
  const workspaces = await make('worker');
  const source = { id: newId('rpo'), url: null, path: origin, defaultBranch: null };
  let workers = 1;
  return {
    folder,
    sandbox,
    blobs,
    sealer,
    workspaces,
    origin,
    source,
    dir: join(folder, 'worker'),
    another: more => make(`worker-${++workers}`, more),
    prepare: (baseRef = null) =>
      workspaces.prepare({
        runId: newId('run'),
        repository: source,
        baseRef,
        baseCommit: null,
      }),
  };
}

/** What the sandbox shows for a workspace. */
export function mountsOf(workspace: Workspace) {
  return {
    workspace: workspace.dir,
    home: workspace.homeDir,
    readOnly: workspace.readOnlyPaths,
    gatewaySocket: null,
    proxySocket: null,
  };
}

/** Runs a script as the agent of this workspace would; it must end well. */
export async function agentDoes(
  world: World,
  workspace: Workspace,
  script: string,
): Promise<Ended> {
  const ended = await sh(world.sandbox, mountsOf(workspace), `set -e\n${script}`);
  if (ended.code !== 0) throw new Error(`the agent failed: ${ended.stdout}${ended.stderr}`);
  return ended;
}

export function snapshotOf(world: World, workspace: Workspace) {
  return workspace.snapshot(world.sandbox, mountsOf(workspace));
}

/** Git on the objects of a run with the mirror's behind them, to look at them. */
export function objectsGit(world: World, { runId }: Workspace, ...args: string[]): string {
  return personGit(join(world.dir, 'objects', world.source.id, runId), ...args);
}

/** For a push that nothing forbids meanwhile. */
export const confirmed = async () => {};

/** For tidying: none of the runs is erased, but those that are named. */
export function keeping(isLive: KeptRuns['isLive'], ...erased: string[]): KeptRuns {
  return { isLive, keptOf: async ids => new Set(ids.filter(id => !erased.includes(id))) };
}

/**
 * What the measurements share: PostgreSQL that syncs to disk, server processes on the other core,
 * and in this process the ports and the driver that a worker has.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AgentInfo } from '@holdfast/protocol';
import { openPlatform, type Platform } from '../../packages/server/src/compose.ts';
import { loadConfig } from '../../packages/server/src/config/index.ts';
import {
  type ClaimedRun,
  createRuns,
  RUN_KIND,
  type Runs,
} from '../../packages/server/src/runs/index.ts';
import { createWork } from '../../packages/server/src/work/index.ts';
import { type PostgresService, startPostgres } from '../../tools/services/postgres.ts';
import { listening, type PinnedChild, pin, priority, startPinned } from '../lib/child.ts';
import { collectable } from './peers.ts';

export interface StackOptions {
  readonly dir: string;
  /** The servers' core; all else runs on `otherCore`. */
  readonly core: number;
  readonly otherCore: number;
}

export interface ServerProcess {
  readonly pid: number;
  readonly port: number;
  readonly url: string;
  /** Collects garbage now. */
  collect(): void;
  stop(): Promise<void>;
}

const script = (path: string) => fileURLToPath(new URL(`../../packages/${path}`, import.meta.url));
const KEY = 'bench';
const BUILTIN: AgentInfo = {
  name: 'builtin',
  title: 'Built-in agent',
  available: true,
  version: null,
  wanted_version: null,
  install: null,
  steerable: true,
  resumable: true,
  isolated: true,
};
const DURABLE = ['fsync=on', 'full_page_writes=on', 'synchronous_commit=on'];

export class Stack {
  readonly postgres: PostgresService;
  readonly platform: Platform;
  readonly runs: Runs;
  readonly #simulator: PinnedChild;
  readonly #options: StackOptions;
  readonly #env: NodeJS.ProcessEnv;
  #servers = 0;
  #repository: Promise<{ id: string }> | undefined;

  private constructor(
    parts: Pick<Stack, 'postgres' | 'platform' | 'runs'> & {
      simulator: PinnedChild;
      env: NodeJS.ProcessEnv;
    },
    options: StackOptions,
  ) {
    this.postgres = parts.postgres;
    this.platform = parts.platform;
    this.runs = parts.runs;
    this.#simulator = parts.simulator;
    this.#env = parts.env;
    this.#options = options;
  }

  static async start(options: StackOptions): Promise<Stack> {
    const { dir, otherCore } = options;
    const postgres = await startPostgres({ settings: DURABLE });
    pin(postgres.pid, otherCore);
    setPriority(postgres.pid, priority.nice);
    const simulator = startPinned([process.execPath, script('simulator/src/main.ts')], {
      core: otherCore,
      env: { ...process.env, SIMULATOR_API_KEY: KEY },
    });
    const [, simulatorUrl] = await simulator.printed(/"url":"([^"]+)"/);
    const env = {
      PATH: process.env.PATH,
      PORT: '0',
      OPENAI_BASE_URL: `${simulatorUrl}/v1`,
      OPENAI_API_KEY: KEY,
      DATABASE_URL: postgres.url,
      HOLDFAST_MASTER_KEY: randomBytes(32).toString('base64'),
      HOLDFAST_DATA_DIR: join(dir, 'bench'),
      LOG_LEVEL: 'warn',
      HOLDFAST_RATE_LIMIT_PER_MINUTE: '1000000',
      HOLDFAST_RATE_LIMIT_BURST: '100000',
      HOLDFAST_SHUTDOWN_ACCEPT: '0',
      HOLDFAST_SHUTDOWN_GRACE: '0',
    };
    const platform = await openPlatform(loadConfig(env, {}), env);
    await platform.leases.start();
    const audit = { record: async () => {} };
    const tickets = { mint: () => Promise.reject(new Error('not here')) };
    const watch = { follow: () => () => {} };
    const { kinds, streams } = createWork({ ...platform, audit, tickets, watch });
    kinds.add(RUN_KIND);
    await platform.queue.start(kinds.queues());
    const runs = createRuns({
      ...platform,
      audit,
      streams,
      agents: async () => ({ data: [BUILTIN], isolation_note: null }),
      agentNames: [BUILTIN.name],
      sources: { allowedHosts: [], localMode: true },
    });
    return new Stack({ postgres, platform, runs, simulator, env }, options);
  }

  /** One server process with these roles. */
  async server(roles: string): Promise<ServerProcess> {
    const { core, dir } = this.#options;
    this.#servers += 1;
    const child = startPinned([process.execPath, ...collectable, script('server/src/main.ts')], {
      core,
      env: {
        ...this.#env,
        LOG_LEVEL: 'info',
        HOLDFAST_ROLES: roles,
        HOLDFAST_DATA_DIR: join(dir, `server-${this.#servers}`),
      },
    });
    const [, port] = await child.printed(/"port":(\d+).*"event":"listening"/);
    await listening(Number(port));
    return {
      pid: child.process.pid!,
      port: Number(port),
      url: `http://127.0.0.1:${port}`,
      collect: () => void child.process.kill('SIGUSR2'),
      stop: child.stop,
    };
  }

  /** A task on a small repository. */
  async newTask(url: string): Promise<string> {
    const path = join(this.#options.dir, 'repository');
    if (!existsSync(path)) createRepository(path);
    this.#repository ??= api<{ id: string }>(url, '/v1/repos', { path, name: 'bench' });
    const { id: repo_id } = await this.#repository;
    const task = { repo_id, title: 'A task', instruction: 'Write a note.' };
    return (await api<{ id: string }>(url, '/v1/tasks', task)).id;
  }

  async claim(runId: string): Promise<ClaimedRun> {
    const claimed = await this.runs.driver.claim(runId);
    if (claimed.kind !== 'claimed') throw new Error(`the run is ${claimed.kind}`);
    return claimed.run;
  }

  async stop(): Promise<void> {
    await this.platform.queue.stop();
    await this.platform.leases.stop();
    await this.platform.close();
    await this.#simulator.stop();
    await this.postgres.stop();
  }
}

export async function api<T>(url: string, path: string, body?: object): Promise<T> {
  const response = await fetch(url + path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.json() as Promise<T>;
}

/** A repository with one commit. */
function createRepository(folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'README.md'), '# Bench\n');
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=B', '-c', 'user.email=b@localhost', ...args], {
      cwd: folder,
    });
  git('init', '--quiet', '--initial-branch=main');
  git('add', '.');
  git('commit', '--quiet', '--message=Start');
}

export async function newRun(url: string, taskId: string): Promise<string> {
  type Started = { runs: { id: string }[] };
  const path = `/v1/tasks/${taskId}/runs`;
  return (await api<Started>(url, path, { agents: ['builtin'] })).runs[0]!.id;
}

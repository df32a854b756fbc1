/**
 * A throw-away PostgreSQL cluster on a free loopback port, made with the embedded database's own
 * programs; version 15, the oldest that the server promises to work with, is the system's. Written
 * for tests: it never syncs to disk, and nothing of it is left after `stop()` or after this process
 * has ended. Needs about a second to start; share one per test run (`shared.ts`).
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { findBinaries } from '../../packages/server/src/platform/database/embedded/binaries.ts';
import {
  chooseRunAs,
  type RunAs,
} from '../../packages/server/src/platform/database/embedded/run-as.ts';
import { findPostgresBinary } from './binaries.ts';
import { type RunningChild, removeFolder, startChild, withFreePort } from './child.ts';

const run = promisify(execFile);

const USER = 'holdfast';
const RESTART_ATTEMPTS = 20;
const RESTART_PAUSE_MS = 250;

export interface PostgresOptions {
  /** Default: the embedded database's. */
  readonly version?: 15;
  /** Further server settings (`name=value`); they win over ours. */
  readonly settings?: readonly string[];
  /** Serve TLS with this certificate (PEM files); plain connections stay possible. */
  readonly tls?: { readonly certPem: string; readonly keyPem: string };
}

export interface PostgresService {
  /** Of the superuser, to the database `postgres`; contains a password made for this cluster. */
  readonly url: string;
  readonly port: number;
  /** The server process, for tests that pause or kill it. */
  readonly pid: number;
  /** Sends the signal, waits for the end, and starts again on the same folder and port. */
  restart(signal: NodeJS.Signals): Promise<void>;
  stop(): Promise<void>;
}

/** Creates and starts a cluster; throws one clear line when PostgreSQL cannot be had. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresService> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-postgres-'));
  try {
    const programs = await findPrograms(folder, options.version);
    const password = randomBytes(12).toString('hex');
    const tlsSettings = prepareFolder(folder, password, { ...options, runAs: programs.runAs });
    await createCluster(programs, folder);
    return await withFreePort(async port => {
      const settings = [...serverSettings(port), ...tlsSettings, ...(options.settings ?? [])];
      const url = `postgresql://${USER}:${password}@127.0.0.1:${port}/postgres`;
      const cluster = new Cluster(programs, folder, settings);
      await cluster.start();
      return {
        url,
        port,
        get pid() {
          return cluster.pid;
        },
        restart: (signal: NodeJS.Signals) => cluster.restart(signal),
        stop: () => cluster.stop(),
      };
    });
  } catch (error) {
    removeFolder(folder);
    throw error;
  }
}

/** The server on one data folder. The folder goes when the server is stopped for good. */
class Cluster {
  readonly #programs: Programs;
  readonly #folder: string;
  readonly #settings: readonly string[];
  #child: RunningChild | undefined;
  #comesBack = false;

  constructor(programs: Programs, folder: string, settings: readonly string[]) {
    this.#programs = programs;
    this.#folder = folder;
    this.#settings = settings;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async start(): Promise<void> {
    const settings = this.#settings.flatMap(setting => ['-c', setting]);
    this.#child = await startChild({
      name: 'PostgreSQL',
      command: this.#programs.postgres,
      args: ['-D', join(this.#folder, 'data'), ...settings],
      env: this.#programs.env,
      prefix: this.#programs.runAs.prefix,
      ready: /database system is ready to accept connections/,
      stopSignal: 'SIGINT',
      cleanUp: () => {
        if (!this.#comesBack) removeFolder(this.#folder);
      },
    });
  }

  async restart(signal: NodeJS.Signals): Promise<void> {
    this.#comesBack = true;
    try {
      process.kill(this.pid, signal);
      await this.#child?.stop();
      await this.#startAgain();
    } finally {
      this.#comesBack = false;
    }
  }

  async stop(): Promise<void> {
    await this.#child?.stop();
  }

  /** Processes of a killed server hold its shared memory for a moment. */
  async #startAgain(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.start();
      } catch (error) {
        if (attempt === RESTART_ATTEMPTS) throw error;
        await delay(RESTART_PAUSE_MS);
      }
    }
  }
}

interface Programs {
  readonly initdb: string;
  readonly postgres: string;
  readonly env: Readonly<Record<string, string>>;
  readonly runAs: RunAs;
}

async function findPrograms(folder: string, version: 15 | undefined): Promise<Programs> {
  const runAs = await chooseRunAs();
  if (version === undefined) return { ...findBinaries(join(folder, 'lib')), runAs };
  const [initdb, postgres] = [
    await findPostgresBinary('initdb', version),
    await findPostgresBinary('postgres', version),
  ];
  return { initdb, postgres, env: {}, runAs };
}

function serverSettings(port: number): string[] {
  return [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'max_connections=300',
    'shared_buffers=64MB',
    'fsync=off',
    'full_page_writes=off',
    'synchronous_commit=off',
    'wal_level=minimal',
    'max_wal_senders=0',
    'autovacuum_naptime=1min',
    'jit=off',
  ];
}

/** Writes the password and TLS files, all readable by the server's user alone. */
function prepareFolder(
  folder: string,
  password: string,
  options: PostgresOptions & { readonly runAs: RunAs },
): string[] {
  const files: Record<string, string> = { password };
  if (options.tls) {
    files['server.crt'] = options.tls.certPem;
    files['server.key'] = options.tls.keyPem;
  }
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(folder, name), content, { mode: 0o600 });
  }
  const { uid, gid } = options.runAs.owner;
  for (const path of [folder, ...Object.keys(files).map(name => join(folder, name))]) {
    chownSync(path, uid, gid);
  }
  if (!options.tls) return [];
  return [
    'ssl=on',
    `ssl_cert_file=${join(folder, 'server.crt')}`,
    `ssl_key_file=${join(folder, 'server.key')}`,
  ];
}

async function createCluster(programs: Programs, folder: string): Promise<void> {
  const args = [
    ...['-D', join(folder, 'data'), '-U', USER, '--pwfile', join(folder, 'password')],
    ...['-A', 'scram-sha-256', '--encoding=UTF8', '--locale=C', '--no-sync', '--no-instructions'],
  ];
  const [command, ...before] = programs.runAs.prefix;
  const env = { ...process.env, ...programs.env };
  await run(command!, [...before, programs.initdb, ...args], { cwd: '/', env });
}

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe } from 'vitest';
import { createTestDatabase } from '../../../packages/server/src/platform/database/testing.ts';
import { sharedAzurite, sharedRedis } from '../../../tools/services/shared.ts';
import { startProcess, type TestProcess } from './process.ts';

const root = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const SERVER = root('packages/server/src/main.ts');
const SIMULATOR = root('packages/simulator/src/main.ts');

/** The key that only the server knows; the simulator refuses every other. */
export const UPSTREAM_KEY = 'upstream-key-of-the-tests';

/**
 * The three ways in which the same tests run: everything embedded; PostgreSQL, Azurite and Redis;
 * and two server processes on the latter.
 */
const STACKS = ['embedded', 'production', 'two replicas'] as const;
export type StackName = (typeof STACKS)[number];

export interface Server {
  readonly url: string;
  readonly process: TestProcess;
  readonly dataDir: string;
  /** The one-time token of the console's Admin link. */
  readonly adminToken: string;
}

export interface Stack {
  readonly name: StackName;
  /** One server, or two on one database. */
  readonly servers: readonly Server[];
  /** The first one's address. */
  readonly url: string;
  /** The simulator's address, for its inspection routes. */
  readonly simulatorUrl: string;
  /** Values that only servers may know. */
  readonly secrets: readonly string[];
  /** Starts one more server on the same database, blobs and Redis; not on the embedded stack. */
  addServer(env?: Record<string, string>): Promise<Server>;
  stop(): Promise<void>;
}

export interface StackOptions {
  readonly server?: Record<string, string>;
  readonly simulator?: Record<string, string>;
}

/** Declares `suite` once for each stack; what it starts is stopped after it. */
export function forEachStack(
  suite: (name: StackName, start: (options?: StackOptions) => Promise<Stack>) => void,
): void {
  for (const name of STACKS) {
    describe(name, () => {
      const started: Stack[] = [];
      afterAll(async () => {
        for (const stack of started) await stack.stop();
      });
      suite(name, async options => {
        const stack = await startStack(name, options);
        started.push(stack);
        return stack;
      });
    });
  }
}

/** Starts services, simulator and servers. The caller stops it. */
export async function startStack(name: StackName, options: StackOptions = {}): Promise<Stack> {
  const undo: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    const simulator = await startSimulatorProcess(options.simulator);
    undo.push(() => simulator.process.kill());
    const shared: Record<string, string> = name === 'embedded' ? {} : await productionEnv(undo);
    const start = async (env: Record<string, string> = {}) => {
      const server = await startServer({
        OPENAI_BASE_URL: `${simulator.url}/v1`,
        OPENAI_API_KEY: UPSTREAM_KEY,
        ...shared,
        ...options.server,
        ...env,
      });
      undo.push(() => stopServer(server));
      return server;
    };
    const servers = [await start()];
    if (name === 'two replicas') servers.push(await start());
    const addServer = async (env?: Record<string, string>) => {
      if (name === 'embedded') throw new Error('an embedded database serves one process');
      return start(env);
    };
    const { url } = servers[0]!;
    const { HOLDFAST_MASTER_KEY: masterKey, DATABASE_URL: databaseUrl } = shared;
    const tokens = servers.map(server => server.adminToken);
    const secrets = [UPSTREAM_KEY, ...tokens, masterKey, databaseUrl].filter(text => text != null);
    return { name, servers, url, simulatorUrl: simulator.url, secrets, addServer, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

export async function startSimulatorProcess(
  env: Record<string, string> = {},
): Promise<{ url: string; process: TestProcess }> {
  const process = startProcess(SIMULATOR, { SIMULATOR_API_KEY: UPSTREAM_KEY, ...env });
  const { url } = await process.waitFor(line => line.event === 'listening');
  return { url: String(url), process };
}

/** Blobs and master key must be common to all replicas; each keeps a data folder of its own. */
async function productionEnv(undo: (() => Promise<unknown>)[]): Promise<Record<string, string>> {
  const database = await createTestDatabase();
  undo.push(() => database.drop());
  const [redis, azurite] = await Promise.all([sharedRedis(), sharedAzurite()]);
  return {
    DATABASE_URL: database.url,
    REDIS_HOST: redis.host,
    REDIS_PORT: String(redis.port),
    REDIS_SSL: 'false',
    AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString,
    AZURE_STORAGE_CONTAINER_NAME: `e2e-${randomBytes(6).toString('hex')}`,
    HOLDFAST_MASTER_KEY: randomBytes(32).toString('base64'),
  };
}

export async function startServer(env: Record<string, string>): Promise<Server> {
  const dataDir = await mkdtemp(join(tmpdir(), 'holdfast-e2e-'));
  const adminToken = randomBytes(32).toString('base64url');
  const process = startProcess(SERVER, {
    PORT: '0',
    HOLDFAST_DATA_DIR: dataDir,
    HOLDFAST_ADMIN_LINK_TOKEN: adminToken,
    HOLDFAST_RATE_LIMIT_PER_MINUTE: '1000000',
    HOLDFAST_RATE_LIMIT_BURST: '1000000',
    HOLDFAST_SHUTDOWN_ACCEPT: '0',
    HOLDFAST_SHUTDOWN_GRACE: '0',
    ...env,
  });
  const { url } = await process.waitFor(line => line.event === 'listening');
  return { url: String(url), process, dataDir, adminToken };
}

export async function stopServer(server: Server): Promise<void> {
  const { child } = server.process;
  if (child.exitCode === null && child.signalCode === null) await server.process.stop();
  await rm(server.dataDir, { recursive: true, force: true });
}

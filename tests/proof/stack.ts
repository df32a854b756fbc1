/**
 * What the proof runs against, each a process of its own: PostgreSQL behind a proxy that shows
 * its traffic, Redis, Azurite, the simulator, two API processes and two workers. Servers are
 * started as in production.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Database, openPostgres } from '../../packages/server/src/platform/database/index.ts';
import { startAzurite } from '../../tools/services/azurite.ts';
import { freePort } from '../../tools/services/child.ts';
import { type PostgresService, startPostgres } from '../../tools/services/postgres.ts';
import { type RedisService, startRedis } from '../../tools/services/redis.ts';
import { startTcpProxy, type TcpProxy } from '../../tools/services/tcp-proxy.ts';
import { startSimulatorProcess, UPSTREAM_KEY } from '../e2e/harness/stacks.ts';
import type { ProofOptions } from './arguments.ts';
import { Observations } from './observations.ts';
import { Replica } from './replica.ts';

const PER_KIND = 2;
const UNLIMITED = '1000000';
/** A worker has this long to save what its runs made. */
const GRACE_S = '20';

export interface ProofStack {
  readonly observations: Observations;
  readonly postgres: PostgresService;
  readonly proxy: TcpProxy;
  readonly workers: readonly Replica[];
  readonly apis: readonly Replica[];
  /** The API processes' addresses. */
  readonly urls: readonly string[];
  /** Past the proxy. */
  readonly database: Database;
  /** Everything that servers write is below this folder. */
  readonly dir: string;
  restartRedis(signal: NodeJS.Signals): Promise<void>;
  stop(): Promise<void>;
}

/** `server` is the folder of the server's source. The caller stops what was started. */
export async function startProofStack(options: ProofOptions, server: string): Promise<ProofStack> {
  const undo: (() => unknown)[] = [];
  const stop = () => undoAll(undo);
  const dir = mkdtempSync(join(tmpdir(), 'holdfast-proof-'));
  undo.push(() => rmSync(dir, { recursive: true, force: true }));
  try {
    // A committed transaction must outlive the process, as in production.
    const postgres = await startPostgres({ settings: ['synchronous_commit=on'] });
    undo.push(() => postgres.stop());
    const proxy = await startTcpProxy(postgres.port);
    undo.push(() => proxy.stop());
    let redis = await startRedis();
    undo.push(() => redis.stop());
    const restartRedis = async (signal: NodeJS.Signals) => {
      process.kill(redis.pid, signal);
      await redis.stop();
      redis = await startRedis({ port: redis.port });
    };
    const observations = new Observations();
    observations.watchWire(proxy);
    const env = await commonEnv({ options, proxy, redis, postgres, undo });
    const replicas = await startReplicas({ server, dir, env, observations }, undo);
    const database = await openPostgres({ url: postgres.url, poolSize: 2 });
    undo.push(() => database.close());
    return { observations, postgres, proxy, ...replicas, database, dir, restartRedis, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Undoes everything, also where one step fails; throws the first failure then. */
async function undoAll(undo: (() => unknown)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of undo.splice(0).toReversed()) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

interface Services {
  readonly options: ProofOptions;
  readonly proxy: TcpProxy;
  readonly redis: RedisService;
  readonly postgres: PostgresService;
  readonly undo: (() => unknown)[];
}

async function commonEnv(services: Services): Promise<Record<string, string>> {
  const { options, proxy, redis, postgres, undo } = services;
  const azurite = await startAzurite();
  undo.push(() => azurite.stop());
  const simulator = await startSimulatorProcess({ SIMULATOR_SEED: options.seed });
  undo.push(() => simulator.process.kill());
  const url = new URL(postgres.url);
  url.port = String(proxy.port);
  const places = String(options.runs * 4);
  return {
    DATABASE_URL: url.href,
    REDIS_HOST: redis.host,
    REDIS_PORT: String(redis.port),
    REDIS_SSL: 'false',
    AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString,
    AZURE_STORAGE_CONTAINER_NAME: 'proof',
    HOLDFAST_MASTER_KEY: randomBytes(32).toString('base64'),
    OPENAI_BASE_URL: `${simulator.url}/v1`,
    OPENAI_API_KEY: UPSTREAM_KEY,
    HOLDFAST_RATE_LIMIT_PER_MINUTE: UNLIMITED,
    HOLDFAST_RATE_LIMIT_BURST: UNLIMITED,
    HOLDFAST_SHUTDOWN_ACCEPT: '0',
    // One worker alone can hold them all.
    HOLDFAST_RUNS_CONCURRENCY: String(options.runs),
    HOLDFAST_RUNS_PER_OWNER: places,
    HOLDFAST_RUNS_PER_REPOSITORY: places,
  };
}

interface ReplicaPlan {
  readonly server: string;
  readonly dir: string;
  readonly env: Record<string, string>;
  readonly observations: Observations;
}

async function startReplicas(
  plan: ReplicaPlan,
  undo: (() => unknown)[],
): Promise<Pick<ProofStack, 'workers' | 'apis' | 'urls'>> {
  const urls: string[] = [];
  const make = async (kind: 'api' | 'worker', number: number) => {
    const name = `${kind}-${number}`;
    const port = String(await freePort());
    if (kind === 'api') urls.push(`http://127.0.0.1:${port}`);
    const replica = new Replica({
      name,
      script: join(plan.server, 'src/main.ts'),
      observations: plan.observations,
      env: {
        ...plan.env,
        // Restarts are many and processors few: what Node compiled once is kept.
        NODE_COMPILE_CACHE: join(plan.dir, 'compiled'),
        PORT: port,
        HOLDFAST_DATA_DIR: join(plan.dir, name),
        HOLDFAST_ADMIN_LINK_TOKEN: randomBytes(32).toString('base64url'),
        HOLDFAST_ROLES: kind === 'api' ? 'gateway,api' : 'worker',
        HOLDFAST_SHUTDOWN_GRACE: kind === 'api' ? '0' : GRACE_S,
      },
    });
    undo.push(() => replica.stop());
    await replica.start();
    return replica;
  };
  const apis: Replica[] = [];
  const workers: Replica[] = [];
  for (let number = 1; number <= PER_KIND; number += 1) apis.push(await make('api', number));
  for (let number = 1; number <= PER_KIND; number += 1) workers.push(await make('worker', number));
  return { apis, workers, urls };
}

import { randomBytes } from 'node:crypto';
import { startAzurite } from '../../../tools/services/azurite.ts';
import { startPostgres } from '../../../tools/services/postgres.ts';
import { startRedis } from '../../../tools/services/redis.ts';
import { startTcpProxy, type TcpProxy } from '../../../tools/services/tcp-proxy.ts';
import {
  type Server,
  startServer,
  startSimulatorProcess,
  stopServer,
  UPSTREAM_KEY,
} from '../../e2e/harness/stacks.ts';

const SERVERS = 2;

/** Servers as in production, and a proxy before each thing that they depend on. */
export interface World {
  /** Those that run. */
  readonly servers: Server[];
  readonly upstream: TcpProxy;
  readonly database: TcpProxy;
  readonly redis: TcpProxy;
  addServer(): Promise<void>;
  /** Changes how the simulated model behaves. */
  behave(patch: object): Promise<void>;
  stop(): Promise<void>;
}

/** The caller stops it. */
export async function startWorld(settings: Readonly<Record<string, string>>): Promise<World> {
  const undo: (() => unknown)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  const kept = <T extends { stop(): unknown }>(service: T): T => {
    undo.push(() => service.stop());
    return service;
  };
  try {
    const simulator = await startSimulatorProcess();
    undo.push(() => simulator.process.kill());
    const postgres = kept(await startPostgres());
    const redisService = kept(await startRedis());
    const azurite = kept(await startAzurite());
    const upstream = kept(await startTcpProxy(Number(new URL(simulator.url).port)));
    const database = kept(await startTcpProxy(postgres.port));
    const redis = kept(await startTcpProxy(redisService.port));
    const url = new URL(postgres.url);
    url.port = String(database.port);
    const env = {
      DATABASE_URL: url.href,
      REDIS_HOST: redisService.host,
      REDIS_PORT: String(redis.port),
      REDIS_SSL: 'false',
      AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString,
      AZURE_STORAGE_CONTAINER_NAME: 'proof',
      HOLDFAST_MASTER_KEY: randomBytes(32).toString('base64'),
      OPENAI_BASE_URL: `http://127.0.0.1:${upstream.port}/v1`,
      OPENAI_API_KEY: UPSTREAM_KEY,
      ...settings,
    };
    const servers: Server[] = [];
    const addServer = async () => {
      const server = await startServer(env);
      undo.push(() => stopServer(server));
      servers.push(server);
    };
    for (let i = 0; i < SERVERS; i += 1) await addServer();
    const behave = async (patch: object) => {
      const body = JSON.stringify(patch);
      const answer = await fetch(`${simulator.url}/_simulator/settings`, { method: 'PATCH', body });
      if (!answer.ok) throw new Error(await answer.text());
    };
    return { servers, upstream, database, redis, addServer, behave, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

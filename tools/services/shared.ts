/**
 * One instance of each service per test run, and one build of the console, started when the first
 * test asks for it. Test files run in processes of their own, so a broker in the run's main process
 * (`global-setup.ts`) starts the services, answers where they are, and ends them with the run,
 * however it ends.
 *
 * Shared means shared: use a database (`createTestDatabase`), container or key prefix of your own.
 * Tests that break a service start one for themselves (`startPostgres` …).
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { inject } from 'vitest';
import { buildConsoleWhenStale } from '../start/console-build.ts';
import { type AzuriteService, startAzurite } from './azurite.ts';
import { type PostgresService, startPostgres } from './postgres.ts';
import { type RedisService, startRedis } from './redis.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the broker of this run listens. */
    services: string;
  }
}

/** The superuser's URL of the run's PostgreSQL, of the embedded version or of the oldest. */
export async function sharedPostgres(version?: 15): Promise<Pick<PostgresService, 'url'>> {
  return (await ask(`postgres${version ?? ''}`)) as Pick<PostgresService, 'url'>;
}

export async function sharedRedis(): Promise<Pick<RedisService, 'host' | 'port' | 'url'>> {
  return (await ask('redis')) as Pick<RedisService, 'host' | 'port' | 'url'>;
}

export type SharedAzurite = Omit<AzuriteService, 'pid' | 'stop'>;

export async function sharedAzurite(): Promise<SharedAzurite> {
  return (await ask('azurite')) as SharedAzurite;
}

/** Resolves once the console's pages are built; throws what the build tool printed. */
export async function builtConsole(): Promise<void> {
  await ask('console');
}

async function ask(service: string): Promise<unknown> {
  const broker = inject('services');
  if (!broker) throw new Error('run Vitest from the root of the repository (vitest.config.ts)');
  const response = await fetch(`${broker}/${service}`);
  const answer = (await response.json()) as { error?: string };
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

interface Stoppable {
  stop(): Promise<void>;
}

const STARTERS: Readonly<Record<string, () => Promise<Stoppable>>> = {
  postgres: () => startPostgres(),
  postgres15: () => startPostgres({ version: 15 }),
  redis: () => startRedis(),
  azurite: () => startAzurite(),
  console: buildConsole,
};

async function buildConsole(): Promise<Stoppable> {
  const { fault } = await buildConsoleWhenStale();
  if (fault !== null) throw new Error(fault);
  return { stop: async () => {} };
}

export interface Broker {
  readonly url: string;
  /** Stops every service that was started. */
  stop(): Promise<void>;
}

export async function startBroker(): Promise<Broker> {
  const started = new Map<string, Promise<Stoppable>>();
  // The path keeps other users of this machine from the databases' passwords.
  const token = randomBytes(16).toString('hex');
  const server = createServer(async (request, response) => {
    const service = request.url?.startsWith(`/${token}/`) ? request.url.slice(34) : '';
    const start = STARTERS[service];
    if (!start) {
      response.writeHead(404).end('{}');
      return;
    }
    const running = started.get(service) ?? start();
    started.set(service, running);
    try {
      const answer = JSON.stringify(await running);
      response.writeHead(200, { 'content-type': 'application/json' }).end(answer);
    } catch (error) {
      response.writeHead(500).end(JSON.stringify({ error: String(error) }));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${portOf(server)}/${token}`, stop: () => stop(server, started) };
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening');
  return address.port;
}

async function stop(server: Server, started: Map<string, Promise<Stoppable>>): Promise<void> {
  server.closeAllConnections();
  server.close();
  const services = await Promise.allSettled(started.values());
  await Promise.all(
    services.map(service => (service.status === 'fulfilled' ? service.value.stop() : undefined)),
  );
}

/** The listeners of a process, its health and metrics. */
import { readFile } from 'node:fs/promises';
import type { Auth, Principal } from '../auth/index.ts';
import type { Platform } from '../compose.ts';
import type { Config } from '../config/index.ts';
import {
  createHttpServer,
  createMetricsServer,
  createStatusSocket,
  type HealthCheck,
  HealthRegistry,
  type HttpServer,
  type MetricsSource,
  readStatusMetrics,
  statusSocketHealth,
} from '../http/index.ts';
import { type Component, systemClock } from '../kernel/index.ts';
import { isFull } from '../platform/database/index.ts';
import { mergeMetrics } from '../platform/telemetry/index.ts';

export const VERSION = '0.1.0';
const DEPENDENCY_TIMEOUT_MS = 2_000;
/** Paths below these are never pages of the console. */
const API_PREFIXES = [
  '/v1/',
  '/openai/',
  '/model/',
  '/api/',
  '/audio/',
  '/auth/',
  '/blobs/',
  '/assets/',
  '/realtime',
  '/ws',
];

export async function openHttp(
  config: Config,
  platform: Platform,
  auth: Auth,
): Promise<HttpServer<Principal>> {
  const { server } = config;
  return createHttpServer<Principal>({
    guard: auth.guard,
    telemetry: platform.telemetry,
    api: { title: 'Holdfast', version: VERSION },
    tls: server.tls
      ? { cert: await readFile(server.tls.certFile), key: await readFile(server.tls.keyFile) }
      : undefined,
    corsOrigins: server.corsOrigins,
    trustedProxies: server.trustedProxies,
    site: server.roles.includes('api')
      ? {
          directory: server.consoleDir,
          reservedPrefixes: API_PREFIXES,
          notBuilt: 'The console is not built. `npm start` builds it.\n',
        }
      : undefined,
  });
}

/** The dependencies of every process, and what its features watch. */
export function openHealth(
  config: Config,
  platform: Platform,
  checks: readonly HealthCheck[],
): HealthRegistry {
  const registry = new HealthRegistry({ clock: systemClock, log: platform.telemetry.log });
  registry.add({
    name: 'database',
    critical: true,
    check: async () => {
      const noRoom = () =>
        config.database.isEmbedded && isFull(config.server.dataDir)
          ? 'No room on the volume of the data folder.'
          : null;
      try {
        await platform.database.ping(DEPENDENCY_TIMEOUT_MS);
      } catch (error) {
        const message = noRoom();
        if (message === null) throw error;
        return { status: 'unhealthy', message };
      }
      // It answers questions, but soon it can write nothing.
      const message = noRoom();
      return message === null ? undefined : { status: 'degraded', message };
    },
  });
  const pinged = [
    { name: 'storage', part: platform.blobs },
    ...(platform.redis ? [{ name: 'redis', part: platform.redis }] : []),
  ];
  for (const { name, part } of pinged) {
    registry.add({
      name,
      critical: false,
      check: async () => {
        await part.ping(DEPENDENCY_TIMEOUT_MS);
        return undefined;
      },
    });
  }
  for (const check of checks) registry.add(check);
  const worker = workerBeside(config);
  if (worker !== null) registry.add(statusSocketHealth('worker', worker));
  return registry;
}

/** This process's metrics, and those of the worker that the launcher has started beside it. */
export function openMetrics(config: Config, { telemetry }: Platform): MetricsSource {
  const worker = workerBeside(config);
  if (worker === null) return telemetry;
  return {
    async prometheus() {
      const [own, theirs] = await Promise.all([telemetry.prometheus(), readStatusMetrics(worker)]);
      return mergeMetrics({ server: own, ...(theirs !== null && { worker: theirs }) });
    },
  };
}

/** The status socket of the worker beside this process; null where this process is the worker. */
function workerBeside({ launcher, server }: Config): string | null {
  return server.roles.includes('worker') ? null : launcher.workerSocket;
}

/** The status socket of a worker that the launcher has started, which serves nothing else. */
export function workerSocket({ launcher, server }: Config): string | null {
  const servesHttp = server.roles.includes('gateway') || server.roles.includes('api');
  return servesHttp ? null : launcher.workerSocket;
}

/** What listens. The last to start and the first to stop. */
export function openListeners(
  config: Config,
  platform: Platform,
  { http, auth, health }: { http: HttpServer<Principal>; auth: Auth; health: HealthRegistry },
): Component[] {
  const socket = workerSocket(config);
  if (socket !== null) {
    return [createStatusSocket({ path: socket, registry: health, metrics: platform.telemetry })];
  }
  const api: Component = {
    name: 'http',
    start: async () => {
      const bind = { host: config.server.host, port: config.server.port };
      const { host, port } = await http.listen(bind);
      const scheme = config.server.tls ? 'https' : 'http';
      const urlHost = host.includes(':') ? `[${host}]` : host;
      const url = config.server.publicUrl ?? `${scheme}://${urlHost}:${port}`;
      platform.address.baseUrl = url;
      platform.telemetry.log.info('listening', { url, port, replica: platform.leases.replica });
      if (auth.mode === 'local' && config.identity.adminLinkToken === null) {
        console.error(`Console for Admins, once: ${url}${auth.mintAdminLink()}`);
      }
    },
    stop: () => http.close(),
  };
  const { metricsPort: port } = config.telemetry;
  if (port === null) return [api];
  const metrics = openMetrics(config, platform);
  return [createMetricsServer(metrics, { host: config.server.host, port }), api];
}

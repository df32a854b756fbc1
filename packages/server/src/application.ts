/**
 * One process's features on top of its open ports, in the order in which they start. They stop in
 * reverse: HTTP first, so that nothing new arrives; the leases last, so that whatever a feature
 * still writes is written by their holder.
 */
import { join } from 'node:path';
import { type Auth, authRoutes, type Principal, signInRoutes } from './auth/index.ts';
import type { Platform } from './compose.ts';
import type { Config } from './config/index.ts';
import {
  createMetricsServer,
  createStatusSocket,
  type HttpServer,
  healthRoutes,
  metricsRoutes,
} from './http/index.ts';
import { type Component, Lifecycle } from './kernel/index.ts';
import {
  budgetRoutes,
  type Models,
  modelGatewayRoutes,
  modelsRoutes,
  providerKeyRoutes,
} from './models/index.ts';
import { blobRoutes } from './platform/blobs/index.ts';
import type { Realtime } from './realtime/index.ts';
import {
  createRecordingSweep,
  createRecordings,
  openSpool,
  type Recordings,
  recordingRoutes,
} from './recordings/index.ts';
import { rolesOf } from './roles.ts';
import {
  type ModelAccess,
  openAuth,
  openHealth,
  openHttp,
  openMetrics,
  openModelGateway,
  openModels,
  openRealtime,
  VERSION,
} from './wiring/features.ts';
import { openRuns, type RunFeatures } from './wiring/runs.ts';
import { openWork } from './wiring/work.ts';
import type { Work } from './work/index.ts';

const RECORDING_SWEEP_MS = 60_000;

/** The features of one process, with everything that reaches them from outside. */
export interface Application {
  readonly http: HttpServer<Principal>;
  readonly auth: Auth;
  /** Resolves when requests are accepted. A failed start has stopped what had started. */
  start(): Promise<void>;
  /** Drains and stops; in a hurry nobody waits for sessions, also when it is draining already. */
  stop(options: { hurry: boolean }): void;
  /** Resolves when everything has stopped. */
  readonly stopped: Promise<void>;
}

interface Parts {
  readonly config: Config;
  readonly platform: Platform;
  readonly auth: Auth;
  readonly work: Work;
  readonly models: Models;
  readonly access: ModelAccess;
  readonly recordings: Recordings;
  readonly realtime: Realtime;
  readonly runs: RunFeatures;
  readonly http: HttpServer<Principal>;
}

/** The ports stay the caller's to close, after `stopped`. */
export async function createApplication(config: Config, platform: Platform): Promise<Application> {
  const auth = openAuth(config, platform);
  const work = openWork(platform, auth);
  const models = await openModels(config, platform);
  const access = openModelGateway(platform, { auth, models });
  const spool = await openSpool(join(config.server.dataDir, 'spool'));
  const { uploadMaxBytes, retentionDays } = config.recordings;
  const recordings = createRecordings({ ...platform, spool, uploadMaxBytes, audit: auth.audit });
  const realtime = await openRealtime(config, platform, { auth, work, models, recordings });
  const { gateway } = access;
  const runs = await openRuns(config, platform, { auth, work, models, gateway });
  const http = await openHttp(config, platform, auth);
  const parts = { config, platform, auth, work, models, access, recordings, realtime, runs, http };
  const sweep = createRecordingSweep({
    ...platform,
    recordings,
    spool,
    intervalMs: RECORDING_SWEEP_MS,
    retentionDays: retentionDays ?? undefined,
  });
  const lifecycle = new Lifecycle(componentsOf(parts, sweep), {
    onState: state => platform.telemetry.log.info('lifecycle.state', { state }),
    onError: (component, phase, error) =>
      platform.telemetry.log.error('lifecycle.failed', { component, phase, error }),
  });
  if (workerSocket(config) === null) await addRoutes(parts, lifecycle);
  return runnable(parts, lifecycle);
}

function componentsOf(parts: Parts, sweep: Component): Component[] {
  const { config, platform, auth, work, realtime, runs } = parts;
  const { leases } = platform;
  const roles = rolesOf(config.server.roles);
  const socket = workerSocket(config);
  return [
    { name: 'leases', start: () => leases.start(), stop: () => leases.stop() },
    auth.component,
    ...(roles.gateway ? realtime.components : []),
    ...(roles.worker || roles.api ? [...work.components, ...runs.components] : []),
    // Also where uploads arrive: no other process finishes what waits in this one's spool. A worker
    // beside such a process shares its data folder and leaves the spool to it.
    ...(roles.api || (roles.worker && socket === null) ? [sweep] : []),
    ...(socket === null ? listening(parts) : [status(parts, socket)]),
  ];
}

/** Where a worker that the launcher has started is asked how it is; it serves nothing else. */
function workerSocket({ launcher, server }: Config): string | null {
  const { gateway, api } = rolesOf(server.roles);
  return gateway || api ? null : launcher.workerSocket;
}

function status(parts: Parts, path: string): Component {
  const { config, platform } = parts;
  const registry = openHealth(config, platform, parts);
  return createStatusSocket({ path, registry, metrics: platform.telemetry });
}

/** The last to start and the first to stop. */
function listening({ config, platform, auth, http }: Parts): Component[] {
  const { host, metricsPort: port } = { ...config.server, ...config.telemetry };
  const metrics = openMetrics(config, platform);
  const api: Component = {
    name: 'http',
    start: async () => {
      const bind = { host: config.server.host, port: config.server.port };
      const { host, port } = await http.listen(bind);
      const scheme = config.server.tls ? 'https' : 'http';
      const url = config.server.publicUrl ?? `${scheme}://${urlHost(host)}:${port}`;
      platform.address.baseUrl = url;
      const { replica } = platform.leases;
      platform.telemetry.log.info('listening', { url, port, replica });
      if (auth.mode === 'local' && config.identity.adminLinkToken === null) {
        console.error(`Console for Admins, once: ${url}${auth.mintAdminLink()}`);
      }
    },
    stop: () => http.close(),
  };
  return port === null ? [api] : [createMetricsServer(metrics, { host, port }), api];
}

function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

async function addRoutes(parts: Parts, lifecycle: Lifecycle): Promise<void> {
  const { config, platform, auth, work, models, access, recordings, realtime } = parts;
  const { app, upgrades } = parts.http;
  const roles = rolesOf(config.server.roles);
  await app.register(healthRoutes(openHealth(config, platform, parts), () => lifecycle.state));
  if (config.telemetry.metricsPort === null) {
    await app.register(metricsRoutes(openMetrics(config, platform)));
  }
  if (roles.api) {
    await app.register(signInRoutes(auth));
    await app.register(authRoutes(auth, consoleInfo(parts)));
    await app.register(realtime.sessionRoutes);
    await app.register(budgetRoutes(access.budgets));
    await app.register(providerKeyRoutes(access.providerKeys));
    await app.register(recordingRoutes(recordings, platform.blobs));
    await app.register(work.routes);
    await app.register(parts.runs.runs.routes);
    if ('verify' in platform.blobs) await app.register(blobRoutes(platform.blobs));
  }
  await app.register(modelsRoutes(models));
  if (roles.gateway) {
    await app.register(modelGatewayRoutes(access.gateway));
    await app.register(realtime.gatewayRoutes);
    for (const route of realtime.upgrades) upgrades.add(route);
  }
}

function consoleInfo({ config, platform }: Parts) {
  return {
    notice: config.server.notice,
    revision: `${config.server.revision} (${VERSION})`,
    replica: platform.leases.replica,
    recording: {
      bits_per_second: config.recordings.bitsPerSecond,
      max_bytes: config.recordings.uploadMaxBytes,
    },
    webrtc: true,
  };
}

function runnable({ config, http, auth }: Parts, lifecycle: Lifecycle): Application {
  const { promise: stopped, resolve, reject } = Promise.withResolvers<void>();
  const { shutdownAcceptMs, shutdownGraceMs } = config.server;
  return {
    http,
    auth,
    stopped,
    start: () => lifecycle.start(),
    stop: ({ hurry }) => {
      if (hurry) lifecycle.hurry();
      const drainMs = shutdownAcceptMs + shutdownGraceMs;
      lifecycle.stop({ drainMs }).then(resolve, reject);
    },
  };
}

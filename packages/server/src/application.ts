/**
 * One process's features on top of its open ports, in the order in which they start. They stop in
 * reverse: HTTP first, so that nothing new arrives; the leases last, so that what a feature
 * still writes is written by their holder.
 *
 * A process runs what its roles ask for: `gateway` carries sessions (realtime routes and
 * WebSockets), `api` serves the native API and the console, `worker` drives runs and does upkeep.
 * All by default; a process with fewer needs a shared database, as its siblings do the rest.
 */
import type { Auth, Principal } from './auth/index.ts';
import type { Platform } from './compose.ts';
import type { Config } from './config/index.ts';
import { type HttpServer, healthRoutes, metricsRoutes } from './http/index.ts';
import { Lifecycle } from './kernel/index.ts';
import { openAuth } from './wiring/auth.ts';
import type { Feature } from './wiring/feature.ts';
import { openHealth, openHttp, openListeners, openMetrics, workerSocket } from './wiring/http.ts';
import { openModels } from './wiring/models.ts';
import { openRealtime } from './wiring/realtime.ts';
import { openRecordings } from './wiring/recordings.ts';
import { openRuns } from './wiring/runs.ts';
import { openWork } from './wiring/work.ts';

/** The features of one process, with everything that reaches them from outside. */
export interface Application {
  readonly http: HttpServer<Principal>;
  readonly auth: Auth;
  /** Resolves when requests are accepted. A failed start has stopped what had started. */
  start(): Promise<void>;
  /** Drains and stops; in a hurry it waits for no session, also when it is draining already. */
  stop(options: { hurry: boolean }): void;
  /** Resolves when everything has stopped, to the time that is left for closing the ports. */
  readonly stopped: Promise<number>;
}

/** The ports stay the caller's to close, after `stopped`. */
export async function createApplication(config: Config, platform: Platform): Promise<Application> {
  const identity = openAuth(config, platform);
  const { auth } = identity;
  const shared = openWork(config, platform, auth);
  const { work } = shared;
  const catalogue = await openModels(config, platform, auth);
  const { models, accounts, gateway } = catalogue;
  const audio = await openRecordings(config, platform, auth);
  const { recordings } = audio;
  const voiced = { auth, work, models, accounts, recordings };
  const voice = await openRealtime(config, platform, voiced);
  const agents = await openRuns(config, platform, { auth, work, models, gateway });
  const features = [identity, shared, catalogue, audio, voice, agents];
  return assemble(config, platform, { auth, features });
}

/** Puts features behind one HTTP server and under one lifecycle. */
export async function assemble(
  config: Config,
  platform: Platform,
  { auth, features }: { readonly auth: Auth; readonly features: readonly Feature[] },
): Promise<Application> {
  const { leases, telemetry } = platform;
  const http = await openHttp(config, platform, auth);
  const checks = features.flatMap(feature => feature.health ?? []);
  const health = openHealth(config, platform, checks);
  const lifecycle = new Lifecycle(
    [
      { name: 'leases', start: () => leases.start(), stop: () => leases.stop() },
      ...features.flatMap(feature => feature.components ?? []),
      ...openListeners(config, platform, { http, auth, health }),
    ],
    {
      onState: state => telemetry.log.info('lifecycle.state', { state }),
      onError: (component, phase, error) =>
        telemetry.log.error('lifecycle.failed', { component, phase, error }),
    },
  );
  if (workerSocket(config) === null) {
    await http.app.register(healthRoutes(health, () => lifecycle.state));
    if (config.telemetry.metricsPort === null) {
      await http.app.register(metricsRoutes(openMetrics(config, platform)));
    }
    for (const { routes = [], upgrades = [], absent = [] } of features) {
      http.absent.push(...absent);
      for (const route of routes) await http.app.register(route);
      for (const upgrade of upgrades) http.upgrades.add(upgrade);
    }
  }
  const { promise: stopped, resolve, reject } = Promise.withResolvers<number>();
  const { shutdownAcceptMs, shutdownGraceMs, shutdownClosingMs: closingMs } = config.server;
  return {
    http,
    auth,
    stopped,
    start: () => lifecycle.start(),
    stop: ({ hurry }) => {
      if (hurry) lifecycle.hurry();
      const drainMs = shutdownAcceptMs + shutdownGraceMs;
      lifecycle.stop({ drainMs, closingMs }).then(resolve, reject);
    },
  };
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Role } from '@holdfast/protocol';
import { type Auth, createAuth, type Principal } from '../../auth/index.ts';
import { fixedLimits, limitsOf } from '../../auth/testing/index.ts';
import { createHttpServer, type Guard } from '../../http/index.ts';
import { HoldfastError, systemClock } from '../../kernel/index.ts';
import { createModels, createVoiceAccounts, defaultCatalogue } from '../../models/index.ts';
import { type BlobStore, openFilesystemBlobs } from '../../platform/blobs/index.ts';
import type { Database } from '../../platform/database/index.ts';
import type { Doorbell } from '../../platform/doorbell/index.ts';
import { createProcessDoorbell } from '../../platform/doorbell/testing.ts';
import { createLeases, type Leases } from '../../platform/leases/index.ts';
import { createProcessRateLimiter } from '../../platform/limits/index.ts';
import { createLog, type Log } from '../../platform/log/index.ts';
import {
  type RecordedTelemetry,
  randomMasterKey,
  recordTelemetry,
} from '../../platform/log/testing.ts';
import { createSealer, type Sealer } from '../../platform/secrets/index.ts';
import { createRealtime, NOT_OFFERED, type Realtime, type RealtimeDeps } from '../index.ts';

/**
 * For tests: the feature behind a real HTTP server, on a real database and log. The header
 * `x-caller` says who calls, as `role:id:project`; a bearer that starts with `ek_` is a client
 * secret of ours.
 */
export interface RealtimeHost {
  readonly url: string;
  readonly wsUrl: string;
  readonly realtime: Realtime;
  readonly log: Log;
  readonly leases: Leases;
  readonly database: Database;
  readonly telemetry: RecordedTelemetry;
  /** What the audit log was told. */
  readonly audited: Record<string, unknown>[];
  request(path: string, init?: RequestInit & { caller?: string }): Promise<Response>;
  close(): Promise<void>;
}

export interface HostOptions extends Partial<RealtimeDeps> {
  /** The upstream's base address. */
  readonly upstreamUrl: string;
  readonly doorbell?: Doorbell;
  /** Shared by hosts of which one goes on with sessions of another. */
  readonly blobs?: BlobStore;
  readonly sealer?: Sealer;
  /** A collector, for its spans. */
  readonly otlpUrl?: string;
}

const CALLER = 'Developer:ann:default';

export async function openRealtimeHost(
  database: Database,
  options: HostOptions,
): Promise<RealtimeHost> {
  const { doorbell = createProcessDoorbell() } = options;
  const ports = await openPorts(database, doorbell, options);
  const { telemetry, leases, log } = ports;
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-realtime-'));
  const blobs = await openFilesystemBlobs({
    dir,
    baseUrl: () => 'http://localhost',
    signingKey: new Uint8Array(32),
  });
  const { clientSecrets, watch } = openAuth(ports);
  const audited: Record<string, unknown>[] = [];
  const { upstreamUrl, models = modelsAt(upstreamUrl), ...overrides } = options;
  const realtime = createRealtime({
    ...ports,
    blobs,
    models,
    accounts: createVoiceAccounts({ ...ports, clock: systemClock, models }),
    clientSecrets,
    watch,
    recordings: {
      totals: async () => new Map(),
      eraseSession: async () => {},
      purge: async () => 0,
    },
    audit: { record: async record => void audited.push({ ...record }) },
    defaults: null,
    revision: 'test',
    limits: fixedLimits({ maxSessions: 5 }),
    reconnectWindowMs: 0,
    retentionMs: null,
    drainAcceptMs: 0,
    dialTimeoutMs: 5_000,
    ...overrides,
  });
  const server = await createHttpServer<Principal>({
    guard: testGuard(clientSecrets),
    telemetry,
    api: { title: 'test', version: '1' },
    corsOrigins: [],
  });
  await server.app.register(realtime.sessionRoutes);
  await server.app.register(realtime.gatewayRoutes);
  for (const upgrade of realtime.upgrades) server.upgrades.add(upgrade);
  server.absent.push(...NOT_OFFERED);
  for (const component of realtime.components) await component.start?.();
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    wsUrl: `ws://127.0.0.1:${port}`,
    realtime,
    log,
    leases,
    database,
    telemetry,
    audited,
    request: (path, init = {}) =>
      fetch(url + path, {
        ...init,
        headers: { 'x-caller': init.caller ?? CALLER, ...(init.headers as Record<string, string>) },
      }),
    async close() {
      for (const component of realtime.components.toReversed()) await component.stop?.();
      await server.close(0);
      await leases.stop();
      await telemetry.close();
      await blobs.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function openPorts(database: Database, doorbell: Doorbell, options: HostOptions) {
  const telemetry = await recordTelemetry(options.otlpUrl);
  const sealer = options.sealer ?? createSealer({ database, masterKeys: randomMasterKey() });
  const log = createLog({ database, sealer, doorbell });
  const leases = createLeases({ database, revision: 'test', roles: ['gateway'] });
  await leases.start();
  return { database, doorbell, telemetry, sealer, log, leases };
}

/** The real issuer of client secrets; who calls otherwise is said by a header. */
function openAuth(ports: Awaited<ReturnType<typeof openPorts>>): Auth {
  const limiter = createProcessRateLimiter();
  return createAuth(
    { ...ports, limiter, clock: systemClock },
    {
      oidc: null,
      adminLinkToken: null,
      host: '127.0.0.1',
      publicUrl: null,
      tls: false,
      corsOrigins: [],
      limits: limitsOf({ perMinute: 60, burst: 10 }),
      projects: [],
      keyMaxDays: null,
    },
  );
}

/** The default catalogue, with that provider behind it. */
export function modelsAt(url: string) {
  const catalogue = defaultCatalogue({ provider: 'compatible', url, auth: 'none' });
  return createModels({ catalogue, credentials: { secret: async () => undefined } });
}

function testGuard(secrets: Auth['clientSecrets']): Guard<Principal> {
  return {
    checkRoute: () => {},
    refused: () => {},
    async authenticate(request) {
      const bearer = request.headers.authorization?.replace(/^Bearer /, '');
      if (bearer?.startsWith('ek_')) {
        const principal = await secrets.verify(bearer);
        if (principal) return principal;
        throw new HoldfastError('unauthenticated', 'No.');
      }
      const caller = String(request.headers['x-caller'] ?? CALLER).split(':');
      const [role = 'Developer', id = 'ann', projectId = 'default'] = caller;
      return { kind: 'user', id, name: id, projectId, role: role as Role };
    },
  };
}

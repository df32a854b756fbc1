import type { FastifyPluginAsync } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Audit, ClientSecrets, Limits, Principal, Watch } from '../auth/index.ts';
import type { UpgradeRoute } from '../http/index.ts';
import type { Component } from '../kernel/index.ts';
import type { Models, VoiceAccounts } from '../models/index.ts';
import type { Database } from '../platform/database/index.ts';
import type { Doorbell } from '../platform/doorbell/index.ts';
import type { Leases } from '../platform/leases/index.ts';
import type { Log } from '../platform/log/index.ts';
import type { Telemetry } from '../platform/telemetry/index.ts';
import type { Recordings } from '../recordings/index.ts';
import { eraseAgain } from '../work/index.ts';
import { type HangUpDeps, hangUpOrphan } from './calls/hang-up.ts';
import type { CallLimits } from './calls/limits.ts';
import { type Calls, createCalls } from './calls/service.ts';
import { ConfigurationCheck } from './check-configuration.ts';
import type { SessionDefaults } from './defaults.ts';
import type { RecordDeps } from './handover/record.ts';
import { KnownEvents } from './known-event.ts';
import { addRegistryGauges, createMetrics, Traffic } from './metrics.ts';
import type { SecretsDeps } from './mint-secret.ts';
import { orderBell, SessionRegistry } from './registry.ts';
import { BlockPool, type RelayLimits, RelayTicker } from './relay/index.ts';
import { addCallRoutes } from './routes/calls.ts';
import { addLegacyRoutes } from './routes/legacy.ts';
import { addSessionRoutes } from './routes/sessions.ts';
import { addSipRoutes, addWebhookRoute } from './routes/sip.ts';
import { realtimeUpgrades } from './routes/upgrades.ts';
import { createSessions, type Sessions } from './service.ts';
import { createSipCalls, type SipCalls, type SipSettings } from './sip/sip-calls.ts';
import { SessionSweep } from './sweep.ts';
import type { SessionRow } from './tables.ts';

/** Everything the feature needs from outside; compose provides it. */
export interface RealtimeDeps extends RecordDeps {
  readonly database: Database;
  readonly log: Log;
  readonly leases: Leases;
  readonly doorbell: Doorbell;
  readonly telemetry: Telemetry;
  readonly models: Models;
  readonly accounts: VoiceAccounts;
  readonly clientSecrets: Pick<ClientSecrets, 'mint' | 'consume' | 'grantOf'>;
  readonly recordings: Pick<Recordings, 'totals' | 'eraseSession' | 'purge'>;
  readonly audit: Pick<Audit, 'record'>;
  readonly watch: Pick<Watch, 'follow'>;
  /** The operator's file for new sessions; null where there is none. */
  readonly defaults: SessionDefaults | null;
  /** Events and fields that may pass in locked sessions besides those of the stock clients. */
  readonly lockedAlsoAllowed?: readonly string[];
  readonly revision: string;
  readonly limits: Pick<Limits, 'of'>;
  /** The longest a session may last; default one hour. */
  readonly maxSessionMs?: number;
  /** How long a session waits for a client that has lost its line; 0: not at all. */
  readonly reconnectWindowMs: number;
  /** What all sessions together may keep for their clients; default 256 MiB. */
  readonly keptOutputBytes?: number;
  /** How long finished sessions and their logs are kept; null: for ever. */
  readonly retentionMs: number | null;
  /** How long a draining process still takes new sessions; default 5 s. */
  readonly drainAcceptMs?: number;
  /** How long its sessions may go on after that; unset: until the drain's deadline. */
  readonly drainGraceMs?: number;
  /** What clients are told of the time that is left then. */
  readonly drainTimeMs?: number;
  /** How long an upstream may take to open; default 10 s. */
  readonly dialTimeoutMs?: number;
  /** How long it may take to confirm a configuration that we fixed; default 10 s. */
  readonly configurationTimeoutMs?: number;
  /** Telephone calls; unset: taken as the provider sends them. */
  readonly sip?: SipSettings;
  readonly relayLimits?: Partial<RelayLimits>;
  readonly callLimits?: Partial<CallLimits>;
}

export interface Realtime {
  readonly sessions: Sessions;
  readonly registry: SessionRegistry;
  readonly sweep: SessionSweep;
  /** Starts before anything is served. */
  readonly erasures: Component;
  /** In starting order, after database and leases. */
  readonly components: readonly Component[];
  /** The session registry: list, log, end, erase. Needs no upstream. */
  readonly sessionRoutes: FastifyPluginAsync;
  /** What opens sessions and calls. */
  readonly gatewayRoutes: FastifyPluginAsync;
  readonly upgrades: readonly UpgradeRoute<Principal>[];
}

const KEPT_OUTPUT_BYTES = 256 * 1024 * 1024;
const MAX_SESSION_MS = 3_600_000;
const DRAIN_ACCEPT_MS = 5_000;
const DIAL_TIMEOUT_MS = 10_000;
const CONFIGURATION_TIMEOUT_MS = 10_000;

export function createRealtime(deps: RealtimeDeps): Realtime {
  const { doorbell, telemetry } = deps;
  const metrics = createMetrics(
    telemetry.meter,
    deps.models.list.map(model => model.id),
  );
  const hangUp: HangUpDeps = { models: deps.models, telemetry };
  const common = {
    ...deps,
    metrics,
    maxSessionMs: deps.maxSessionMs ?? MAX_SESSION_MS,
    dialTimeoutMs: deps.dialTimeoutMs ?? DIAL_TIMEOUT_MS,
    configurationTimeoutMs: deps.configurationTimeoutMs ?? CONFIGURATION_TIMEOUT_MS,
    ringReplica: (replica: string) => doorbell.ring(orderBell(replica)),
    hangUpOrphan: (row: SessionRow, requestId?: string) => hangUpOrphan(hangUp, row, requestId),
    ticker: new RelayTicker(),
    keptIn: new BlockPool(deps.keptOutputBytes ?? KEPT_OUTPUT_BYTES),
    traffic: new Traffic(),
    knownEvents: new KnownEvents(deps.lockedAlsoAllowed),
    configurationCheck: new ConfigurationCheck(telemetry),
  };
  const { drainAcceptMs = DRAIN_ACCEPT_MS, drainGraceMs, drainTimeMs } = deps;
  const { watch } = deps;
  const registry = new SessionRegistry({
    deps: common,
    doorbell,
    watch,
    drainAcceptMs,
    drainGraceMs,
    drainTimeMs,
  });
  common.traffic.reportTo(telemetry.meter);
  addRegistryGauges(telemetry.meter, {
    sessions: () => registry.size,
    sockets: () => registry.socketCount,
    keptBytes: () => common.keptIn.takenBytes,
  });
  const sessions = createSessions(common);
  const withRegistry = { ...common, registry };
  const calls = createCalls(withRegistry);
  const { sip = { secret: async () => undefined, forwardTo: null, projectId: null } } = deps;
  const sipCalls = createSipCalls({ ...withRegistry, sip });
  const { takeOver } = calls;
  const { retentionMs } = deps;
  const { blobs } = deps;
  const sweep = new SessionSweep({
    deps: common,
    registry,
    sessions,
    takeOver,
    blobs,
    retentionMs,
  });
  return {
    sessions,
    registry,
    sweep,
    erasures: eraseAgain(deps, 'session', id => sessions.eraseRetired(id)),
    components: [registry, sweep],
    upgrades: realtimeUpgrades({ ...withRegistry, calls }),
    sessionRoutes: async plain => {
      addSessionRoutes(plain.withTypeProvider<ZodTypeProvider>(), sessions);
    },
    gatewayRoutes: gatewayRoutes({ calls, sipCalls }, common),
  };
}

/** Each in a scope of its own: both take SDP bodies, only one takes forms. */
function gatewayRoutes(
  { calls, sipCalls }: { calls: Calls; sipCalls: SipCalls },
  secrets: SecretsDeps,
): FastifyPluginAsync {
  return async app => {
    addSipRoutes(app.withTypeProvider<ZodTypeProvider>(), sipCalls);
    await app.register(async scope => {
      addWebhookRoute(scope.withTypeProvider<ZodTypeProvider>(), sipCalls);
    });
    await app.register(async scope => {
      await addCallRoutes(scope.withTypeProvider<ZodTypeProvider>(), calls, secrets);
    });
    await app.register(async scope => {
      addLegacyRoutes(scope.withTypeProvider<ZodTypeProvider>(), calls, secrets);
    });
  };
}

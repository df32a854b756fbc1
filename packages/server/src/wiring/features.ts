/**
 * Builds the features on open ports from settings. Each function turns one area of the settings
 * into plain options; features themselves never see the settings.
 */
import { readFile } from 'node:fs/promises';
import { type Auth, createAuth, type Principal } from '../auth/index.ts';
import type { Platform } from '../compose.ts';
import type { Config } from '../config/index.ts';
import {
  createHttpServer,
  HealthRegistry,
  type HttpServer,
  type MetricsSource,
  readStatusMetrics,
  statusSocketHealth,
} from '../http/index.ts';
import { HoldfastError, systemClock } from '../kernel/index.ts';
import {
  type Budgets,
  type CatalogueFile,
  createBudgets,
  createModelGateway,
  createModels,
  createProviderKeys,
  type DefaultCatalogueSettings,
  defaultCatalogue,
  defaultTextModels,
  entraTokens,
  loadCatalogue,
  type Models,
  type ProviderKeys,
  type RoutedModelGateway,
  upstreamHealth,
} from '../models/index.ts';
import { isFull } from '../platform/database/index.ts';
import { mergeMetrics } from '../platform/telemetry/index.ts';
import {
  createRealtime,
  loadSessionDefaults,
  type Realtime,
  SEED_DEFAULTS,
  SESSION_KIND,
} from '../realtime/index.ts';
import type { Recordings } from '../recordings/index.ts';
import type { Work } from '../work/index.ts';

export const VERSION = '0.1.0';
const DAY_MS = 24 * 3600 * 1000;
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

export function openAuth(config: Config, platform: Platform): Auth {
  const { identity, server } = config;
  const { oidc } = identity;
  return createAuth(
    { ...platform, clock: systemClock },
    {
      oidc: oidc && {
        issuer: oidc.issuer,
        clientId: oidc.clientId,
        clientSecret: oidc.clientSecret?.reveal(),
        audiences: oidc.audiences,
        scopes: oidc.scopes,
        claims: oidc.claims,
      },
      adminLinkToken: identity.adminLinkToken?.reveal() ?? null,
      host: server.host,
      publicUrl: server.publicUrl,
      tls: server.tls !== null,
      corsOrigins: server.corsOrigins,
      rateLimit: server.rateLimit,
    },
  );
}

export async function openModels(config: Config, platform: Platform): Promise<Models> {
  return createModels({
    catalogue: await openCatalogue(config),
    credentials: {
      secret: name => platform.secrets.get(name),
      entraToken: entraTokens({
        managedIdentityClientId: config.upstreams.azureClientId ?? undefined,
      }),
    },
  });
}

async function openCatalogue(config: Config): Promise<CatalogueFile> {
  const { modelsFile, azure, openai } = config.upstreams;
  if (modelsFile !== null) return loadCatalogue(modelsFile);
  const text = textModels(config);
  if (azure) {
    return defaultCatalogue({
      text,
      provider: 'azure',
      url: azure.endpoint,
      deployment: azure.deployment,
      ...(azure.entra
        ? { auth: 'entra' }
        : { auth: 'api_key', apiKeySecret: 'AZURE_OPENAI_API_KEY' }),
    });
  }
  if (openai) {
    return defaultCatalogue({
      text,
      provider: 'compatible',
      url: openai.baseUrl,
      auth: 'api_key',
      apiKeySecret: 'OPENAI_API_KEY',
    });
  }
  if (!config.server.roles.includes('gateway')) {
    return defaultCatalogue({ text, provider: 'openai', auth: 'none' });
  }
  throw new HoldfastError(
    'invalid_request',
    'There is no model: set AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY, or OPENAI_API_KEY, ' +
      'or HOLDFAST_MODELS_FILE. `npm start` runs with a simulated one.',
  );
}

function textModels({ upstreams }: Config): DefaultCatalogueSettings['text'] {
  const { openai, anthropic, gemini } = upstreams;
  const own = (baseUrl: string | null) => (baseUrl === null ? {} : { url: baseUrl });
  return defaultTextModels({
    openai: openai ? { url: openai.baseUrl, apiKeySecret: 'OPENAI_API_KEY' } : undefined,
    anthropic: anthropic
      ? { ...own(anthropic.baseUrl), apiKeySecret: 'ANTHROPIC_API_KEY' }
      : undefined,
    gemini: gemini ? { ...own(gemini.baseUrl), apiKeySecret: 'GEMINI_API_KEY' } : undefined,
  });
}

/** The model gateway with its budgets and the projects' own keys. */
export function openModelGateway(
  platform: Platform,
  others: { auth: Auth; models: Models },
): ModelAccess {
  const { audit } = others.auth;
  const providerKeys = createProviderKeys({ ...platform, audit });
  const { models } = others;
  return {
    providerKeys,
    budgets: createBudgets({ ...platform, audit }),
    gateway: createModelGateway({ ...platform, clock: systemClock, models, providerKeys }),
  };
}

export interface ModelAccess {
  readonly gateway: RoutedModelGateway;
  readonly budgets: Budgets;
  readonly providerKeys: ProviderKeys;
}

export async function openRealtime(
  config: Config,
  platform: Platform,
  others: { auth: Auth; work: Work; models: Models; recordings: Recordings },
): Promise<Realtime> {
  others.work.kinds.add(SESSION_KIND);
  const { defaultsFile, maxActivePerOwner, reconnectWindowMs, retentionDays } = config.sessions;
  return createRealtime({
    ...platform,
    models: others.models,
    clientSecrets: others.auth.clientSecrets,
    audit: others.auth.audit,
    recordings: others.recordings,
    defaults: defaultsFile === null ? SEED_DEFAULTS : await loadSessionDefaults(defaultsFile),
    revision: config.server.revision,
    maxActiveSessions: maxActivePerOwner,
    reconnectWindowMs,
    retentionMs: retentionDays === null ? null : retentionDays * DAY_MS,
    drainAcceptMs: config.server.shutdownAcceptMs,
  });
}

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

export function openHealth(
  config: Config,
  platform: Platform,
  others: { auth: Auth; models: Models },
): HealthRegistry {
  const registry = new HealthRegistry({ clock: systemClock, log: platform.telemetry.log });
  registry.add({
    name: 'database',
    critical: true,
    check: async () => {
      try {
        await platform.database.ping(DEPENDENCY_TIMEOUT_MS);
        return undefined;
      } catch (error) {
        if (!isFull(config.server.dataDir)) throw error;
        return { status: 'unhealthy', message: 'No room on the volume of the data folder.' };
      }
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
  for (const check of others.auth.healthChecks) registry.add(check);
  if (config.server.roles.includes('gateway')) {
    const { healthIntervalMs } = config.server;
    registry.add(
      upstreamHealth(others.models, { clock: systemClock, intervalMs: healthIntervalMs }),
    );
  }
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

import { fileURLToPath } from 'node:url';
import type {
  Config,
  IdentityConfig,
  RedisConfig,
  RunsConfig,
  ServerConfig,
  TelemetryConfig,
  UpstreamsConfig,
} from './config.ts';
import type { Values } from './settings/index.ts';

const OPENAI_BASE_URL = 'https://api.openai.com/v1';
const CONSOLE_DIR = fileURLToPath(new URL('../../../console/dist', import.meta.url));
const S = 1000;

/** Nests the flat values of the settings. They must have passed all checks. */
export function toConfig(v: Values): Config {
  return deepFreeze({
    server: serverConfig(v),
    identity: identityConfig(v),
    upstreams: upstreamsConfig(v),
    sessions: {
      maxActivePerOwner: v.HOLDFAST_MAX_ACTIVE_SESSIONS,
      reconnectWindowMs: v.HOLDFAST_RECONNECT_WINDOW * S,
      defaultsFile: v.HOLDFAST_SESSION_DEFAULTS_FILE ?? null,
      retentionDays: v.HOLDFAST_RETENTION_SESSIONS_DAYS ?? null,
    },
    recordings: {
      uploadMaxBytes: v.HOLDFAST_UPLOAD_MAX_BYTES,
      bitsPerSecond: v.HOLDFAST_RECORDING_BITS_PER_SECOND,
      retentionDays: v.HOLDFAST_RETENTION_RECORDINGS_DAYS ?? null,
    },
    runs: runsConfig(v),
    ...storageConfig(v),
    telemetry: telemetryConfig(v),
    launcher: {
      workerSocket: v.HOLDFAST_LAUNCHER_WORKER_SOCKET ?? null,
      endsWithStdin: v.HOLDFAST_LAUNCHER_STDIN,
    },
  });
}

function serverConfig(v: Values): ServerConfig {
  const certFile = v.HOLDFAST_TLS_CERT;
  const keyFile = v.HOLDFAST_TLS_KEY;
  return {
    host: v.HOLDFAST_HOST,
    port: v.PORT,
    publicUrl: v.HOLDFAST_PUBLIC_URL ?? null,
    roles: v.HOLDFAST_ROLES,
    corsOrigins: v.HOLDFAST_CORS_ORIGINS,
    trustedProxies: v.HOLDFAST_TRUSTED_PROXIES,
    tls: certFile && keyFile ? { certFile, keyFile } : null,
    dataDir: v.HOLDFAST_DATA_DIR,
    consoleDir: v.HOLDFAST_CONSOLE_DIR ?? CONSOLE_DIR,
    notice: v.HOLDFAST_NOTICE ?? null,
    revision: v.CONTAINER_APP_REVISION,
    shutdownAcceptMs: v.HOLDFAST_SHUTDOWN_ACCEPT * S,
    shutdownGraceMs: v.HOLDFAST_SHUTDOWN_GRACE * S,
    healthIntervalMs: v.HOLDFAST_HEALTH_INTERVAL * S,
    rateLimit: {
      perMinute: v.HOLDFAST_RATE_LIMIT_PER_MINUTE,
      burst: v.HOLDFAST_RATE_LIMIT_BURST,
    },
  };
}

function identityConfig(v: Values): IdentityConfig {
  const issuer = v.HOLDFAST_OIDC_ISSUER;
  const clientId = v.HOLDFAST_OIDC_CLIENT_ID;
  const audiences = v.HOLDFAST_OIDC_AUDIENCE;
  const oidc =
    issuer && clientId
      ? {
          issuer,
          clientId,
          clientSecret: v.HOLDFAST_OIDC_CLIENT_SECRET ?? null,
          audiences: audiences.length > 0 ? audiences : [clientId],
          scopes: v.HOLDFAST_OIDC_SCOPES,
          claims: {
            roles: v.HOLDFAST_OIDC_ROLES_CLAIM,
            subject: v.HOLDFAST_OIDC_SUBJECT_CLAIM,
            roleMap: v.HOLDFAST_OIDC_ROLE_MAP,
          },
        }
      : null;
  return { oidc, adminLinkToken: v.HOLDFAST_ADMIN_LINK_TOKEN ?? null };
}

function upstreamsConfig(v: Values): UpstreamsConfig {
  const azure = v.AZURE_OPENAI_ENDPOINT
    ? {
        endpoint: v.AZURE_OPENAI_ENDPOINT,
        apiKey: v.AZURE_OPENAI_API_KEY ?? null,
        entra: v.HOLDFAST_AZURE_OPENAI_ENTRA,
        deployment: v.AZURE_OPENAI_DEPLOYMENT,
      }
    : null;
  const openai = v.OPENAI_API_KEY
    ? { baseUrl: v.OPENAI_BASE_URL ?? OPENAI_BASE_URL, apiKey: v.OPENAI_API_KEY }
    : null;
  return {
    azure,
    openai,
    anthropic: v.ANTHROPIC_API_KEY
      ? { baseUrl: v.ANTHROPIC_BASE_URL ?? null, apiKey: v.ANTHROPIC_API_KEY }
      : null,
    gemini: v.GEMINI_API_KEY
      ? { baseUrl: v.GOOGLE_GEMINI_BASE_URL ?? null, apiKey: v.GEMINI_API_KEY }
      : null,
    modelsFile: v.HOLDFAST_MODELS_FILE ?? null,
    azureClientId: v.AZURE_CLIENT_ID ?? null,
  };
}

function runsConfig(v: Values): RunsConfig {
  return {
    allowedHosts: v.HOLDFAST_ALLOWED_HOSTS.map(host => host.toLowerCase()),
    sandboxAllowedHosts: v.HOLDFAST_SANDBOX_ALLOWED_HOSTS,
    concurrency: v.HOLDFAST_RUNS_CONCURRENCY,
    perOwner: v.HOLDFAST_RUNS_PER_OWNER,
    perRepository: v.HOLDFAST_RUNS_PER_REPOSITORY,
    softTimeMs: v.HOLDFAST_RUNS_SOFT_LIMIT * S,
    hardTimeMs: v.HOLDFAST_RUNS_HARD_LIMIT * S,
    silenceMs: v.HOLDFAST_RUNS_SILENCE_LIMIT * S,
    diskMaxBytes: v.HOLDFAST_RUNS_DISK_MAX_BYTES,
    withoutSandbox: v.HOLDFAST_RUNS_WITHOUT_SANDBOX,
    workspacesMaxBytes: v.HOLDFAST_WORKSPACES_MAX_BYTES,
    retentionDays: v.HOLDFAST_RETENTION_RUNS_DAYS ?? null,
    agentsDir: v.HOLDFAST_AGENTS_DIR ?? null,
    agentsFile: v.HOLDFAST_AGENTS_FILE ?? null,
  };
}

function storageConfig(v: Values): Pick<Config, 'database' | 'redis' | 'blobs' | 'secrets'> {
  const azureClientId = v.AZURE_CLIENT_ID ?? null;
  const isAzure = v.AZURE_STORAGE_CONNECTION_STRING ?? v.HOLDFAST_AZURE_STORAGE_URL;
  return {
    database: {
      url: v.DATABASE_URL ?? v.HOLDFAST_LAUNCHER_DATABASE_URL ?? null,
      maxConnections: v.DATABASE_POOL_SIZE + v.DATABASE_MAX_OVERFLOW,
      idleConnections: v.DATABASE_POOL_SIZE,
      echo: v.DATABASE_ECHO,
    },
    redis: redisConfig(v),
    blobs: {
      adapter: isAzure ? 'azure' : 'filesystem',
      connectionString: v.AZURE_STORAGE_CONNECTION_STRING ?? null,
      accountUrl: v.HOLDFAST_AZURE_STORAGE_URL ?? null,
      container: v.AZURE_STORAGE_CONTAINER_NAME,
      azureClientId,
    },
    secrets: {
      keyVaultUrl: v.HOLDFAST_KEY_VAULT_URL ?? null,
      masterKey: v.HOLDFAST_MASTER_KEY ?? null,
      azureClientId,
    },
  };
}

function redisConfig(v: Values): RedisConfig | null {
  if (!v.REDIS_HOST) return null;
  return {
    host: v.REDIS_HOST,
    port: v.REDIS_PORT,
    tls: v.REDIS_SSL,
    username: v.REDIS_USERNAME ?? null,
    password: v.REDIS_PASSWORD ?? null,
    entra: v.HOLDFAST_REDIS_ENTRA,
    azureClientId: v.AZURE_CLIENT_ID ?? null,
  };
}

function telemetryConfig(v: Values): TelemetryConfig {
  const endpoint = v.OTEL_EXPORTER_OTLP_ENDPOINT;
  return {
    level: v.LOG_LEVEL,
    format: v.LOG_FORMAT,
    serviceName: v.OTEL_SERVICE_NAME,
    metricsPort: v.HOLDFAST_METRICS_PORT ?? null,
    otlp: endpoint ? { endpoint, headers: v.OTEL_EXPORTER_OTLP_HEADERS ?? null } : null,
    azureConnectionString: v.APPLICATIONINSIGHTS_CONNECTION_STRING ?? null,
    sampleRatio: v.HOLDFAST_TRACE_SAMPLE_RATIO,
  };
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) {
    if (typeof part === 'object' && part !== null) deepFreeze(part);
  }
  return Object.freeze(value);
}

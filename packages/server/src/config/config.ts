import { fileURLToPath } from 'node:url';
import type { Secret } from './secret.ts';
import type { Values } from './settings/index.ts';

/**
 * The configuration as the rest of the server sees it: nested by area, units in names, `null` for
 * what is not set. Immutable for the life of the process.
 */
export type Config = Frozen<ReturnType<typeof nested>>;

type Frozen<T> = T extends Secret ? T : { readonly [K in keyof T]: Frozen<T[K]> };

const OPENAI_BASE_URL = 'https://api.openai.com/v1';
const CONSOLE_DIR = fileURLToPath(new URL('../../../console/dist', import.meta.url));
const S = 1000;

/** Nests the flat values of the settings. They must have passed all checks. */
export function toConfig(values: Values): Config {
  return deepFreeze(nested(values));
}

function nested(v: Values) {
  const azureClientId = v.AZURE_CLIENT_ID ?? null;
  const isAzure = v.AZURE_STORAGE_CONNECTION_STRING ?? v.HOLDFAST_AZURE_STORAGE_URL;
  return {
    server: serverConfig(v),
    identity: {
      /** Null: local mode. */
      oidc: oidcConfig(v),
      adminLinkToken: v.HOLDFAST_ADMIN_LINK_TOKEN ?? null,
      /** Besides `default`. */
      projects: v.HOLDFAST_PROJECTS,
      /** Null: keys may live for ever. */
      keyMaxDays: v.HOLDFAST_API_KEY_MAX_DAYS ?? null,
    },
    limits: limitsConfig(v),
    upstreams: upstreamsConfig(v),
    sessions: {
      clientBytesPerSecond: v.HOLDFAST_CLIENT_BYTES_PER_SECOND,
      reconnectWindowMs: v.HOLDFAST_RECONNECT_WINDOW * S,
      keptOutputBytes: v.HOLDFAST_KEPT_OUTPUT_BYTES,
      defaultsFile: v.HOLDFAST_SESSION_DEFAULTS_FILE ?? null,
      lockedAlsoAllowed: v.HOLDFAST_LOCKED_ALSO_ALLOWED,
      /** Null: any. */
      telephoneProject: v.HOLDFAST_TELEPHONE_PROJECT ?? null,
      webhookForwardUrl: v.HOLDFAST_WEBHOOK_FORWARD_URL ?? null,
      configurationTimeoutMs: v.HOLDFAST_CONFIGURATION_TIMEOUT * S,
      /** Null: kept. */
      retentionDays: v.HOLDFAST_RETENTION_SESSIONS_DAYS ?? null,
    },
    recordings: {
      uploadMaxBytes: v.HOLDFAST_UPLOAD_MAX_BYTES,
      parsersMax: v.HOLDFAST_PARSERS_MAX,
      parserMemoryBytes: v.HOLDFAST_PARSER_MEMORY_MAX_BYTES,
      bitsPerSecond: v.HOLDFAST_RECORDING_BITS_PER_SECOND,
      retentionDays: v.HOLDFAST_RETENTION_RECORDINGS_DAYS ?? null,
    },
    runs: runsConfig(v),
    database: {
      /** Null: this process starts the embedded one, in `server.dataDir`. */
      url: v.DATABASE_URL ?? v.HOLDFAST_LAUNCHER_DATABASE_URL ?? null,
      /** Its files are in the data folder, also where the launcher has started it. */
      isEmbedded: v.DATABASE_URL === undefined,
      /** Pool size and overflow together. */
      maxConnections: v.DATABASE_POOL_SIZE + v.DATABASE_MAX_OVERFLOW,
      idleConnections: v.DATABASE_POOL_SIZE,
      echo: v.DATABASE_ECHO,
    },
    redis: redisConfig(v),
    blobs: {
      adapter: isAzure ? ('azure' as const) : ('filesystem' as const),
      connectionString: v.AZURE_STORAGE_CONNECTION_STRING ?? null,
      /** With Entra ID instead of a connection string. */
      accountUrl: v.HOLDFAST_AZURE_STORAGE_URL ?? null,
      container: v.AZURE_STORAGE_CONTAINER_NAME,
      azureClientId,
    },
    secrets: {
      keyVaultUrl: v.HOLDFAST_KEY_VAULT_URL ?? null,
      masterKey: v.HOLDFAST_MASTER_KEY ?? null,
      azureClientId,
    },
    telemetry: telemetryConfig(v),
    /** Set by the launcher for the processes that it starts. */
    launcher: {
      /** Where the worker beside this process, or this worker, serves health and metrics. */
      workerSocket: v.HOLDFAST_LAUNCHER_WORKER_SOCKET ?? null,
      /** The end of standard input drains this process. */
      endsWithStdin: v.HOLDFAST_LAUNCHER_STDIN,
      /** The upstream is the simulator that the launcher started. */
      simulated: v.HOLDFAST_LAUNCHER_SIMULATED,
    },
  };
}

/** How much at once; what Admins set for a key or a project goes before it. */
function limitsConfig(v: Values) {
  const maxSessions = v.HOLDFAST_MAX_ACTIVE_SESSIONS;
  const perMinute = v.HOLDFAST_RATE_LIMIT_PER_MINUTE;
  const burst = v.HOLDFAST_RATE_LIMIT_BURST;
  const projectPerMinute = v.HOLDFAST_PROJECT_RATE_LIMIT_PER_MINUTE;
  return {
    person: { maxSessions, rate: { perMinute, burst } },
    /** A back end is never held tighter than a person. */
    key: {
      maxSessions: Math.max(maxSessions, v.HOLDFAST_KEY_MAX_ACTIVE_SESSIONS),
      rate: {
        perMinute: Math.max(perMinute, v.HOLDFAST_KEY_RATE_LIMIT_PER_MINUTE),
        burst: Math.max(burst, v.HOLDFAST_KEY_RATE_LIMIT_BURST),
      },
    },
    /** Null: not limited. */
    project: {
      maxSessions: v.HOLDFAST_PROJECT_MAX_ACTIVE_SESSIONS ?? null,
      rate:
        projectPerMinute === undefined
          ? null
          : {
              perMinute: projectPerMinute,
              burst: v.HOLDFAST_PROJECT_RATE_LIMIT_BURST ?? projectPerMinute,
            },
    },
  };
}

function serverConfig(v: Values) {
  const certFile = v.HOLDFAST_TLS_CERT;
  const keyFile = v.HOLDFAST_TLS_KEY;
  return {
    host: v.HOLDFAST_HOST,
    port: v.PORT,
    /** Without a trailing slash; null: the listening address. */
    publicUrl: v.HOLDFAST_PUBLIC_URL ?? null,
    roles: v.HOLDFAST_ROLES,
    corsOrigins: v.HOLDFAST_CORS_ORIGINS,
    /** Addresses and ranges (CIDR) of proxies whose forwarding headers are trusted. */
    trustedProxies: v.HOLDFAST_TRUSTED_PROXIES,
    tls: certFile && keyFile ? { certFile, keyFile } : null,
    dataDir: v.HOLDFAST_DATA_DIR,
    consoleDir: v.HOLDFAST_CONSOLE_DIR ?? CONSOLE_DIR,
    notice: v.HOLDFAST_NOTICE ?? null,
    revision: v.CONTAINER_APP_REVISION,
    shutdownAcceptMs: v.HOLDFAST_SHUTDOWN_ACCEPT * S,
    shutdownGraceMs: v.HOLDFAST_SHUTDOWN_GRACE * S,
    shutdownClosingMs: v.HOLDFAST_SHUTDOWN_CLOSING * S,
    healthIntervalMs: v.HOLDFAST_HEALTH_INTERVAL * S,
  };
}

function oidcConfig(v: Values) {
  const issuer = v.HOLDFAST_OIDC_ISSUER;
  const clientId = v.HOLDFAST_OIDC_CLIENT_ID;
  const audiences = v.HOLDFAST_OIDC_AUDIENCE;
  if (!issuer || !clientId) return null;
  return {
    issuer,
    clientId,
    clientSecret: v.HOLDFAST_OIDC_CLIENT_SECRET ?? null,
    /** At least one. */
    audiences: audiences.length > 0 ? audiences : [clientId],
    /** Separated by spaces. */
    scopes: v.HOLDFAST_OIDC_SCOPES,
    rolesHoldS: v.HOLDFAST_OIDC_ROLES_MINUTES * 60,
    claims: {
      roles: v.HOLDFAST_OIDC_ROLES_CLAIM,
      groups: v.HOLDFAST_OIDC_GROUPS_CLAIM,
      subject: v.HOLDFAST_OIDC_SUBJECT_CLAIM,
      roleMap: v.HOLDFAST_OIDC_ROLE_MAP,
    },
  };
}

function upstreamsConfig(v: Values) {
  return {
    azure: v.AZURE_OPENAI_ENDPOINT
      ? {
          endpoint: v.AZURE_OPENAI_ENDPOINT,
          /** Null: in Key Vault, or not needed with Entra ID. */
          apiKey: v.AZURE_OPENAI_API_KEY ?? null,
          entra: v.HOLDFAST_AZURE_OPENAI_ENTRA,
          deployment: v.AZURE_OPENAI_DEPLOYMENT,
        }
      : null,
    openai: v.OPENAI_API_KEY
      ? { baseUrl: v.OPENAI_BASE_URL ?? OPENAI_BASE_URL, apiKey: v.OPENAI_API_KEY }
      : null,
    /** `baseUrl` null: the provider's own, as below. */
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

function runsConfig(v: Values) {
  return {
    /** Lower case, `name` or `name:port`. */
    allowedHosts: v.HOLDFAST_ALLOWED_HOSTS.map(host => host.toLowerCase()),
    /** Lower case, `host` or `*.suffix`, each with `:port` or without. */
    sandboxAllowedHosts: v.HOLDFAST_SANDBOX_ALLOWED_HOSTS,
    concurrency: v.HOLDFAST_RUNS_CONCURRENCY,
    perOwner: v.HOLDFAST_RUNS_PER_OWNER,
    perRepository: v.HOLDFAST_RUNS_PER_REPOSITORY,
    softTimeMs: v.HOLDFAST_RUNS_SOFT_LIMIT * S,
    hardTimeMs: v.HOLDFAST_RUNS_HARD_LIMIT * S,
    silenceMs: v.HOLDFAST_RUNS_SILENCE_LIMIT * S,
    /** Clone and homes of one run. */
    diskMaxBytes: v.HOLDFAST_RUNS_DISK_MAX_BYTES,
    filesMax: v.HOLDFAST_RUNS_FILES_MAX,
    memoryMaxBytes: v.HOLDFAST_RUNS_MEMORY_MAX_BYTES,
    logMaxEvents: v.HOLDFAST_RUNS_LOG_MAX_EVENTS,
    logMaxBytes: v.HOLDFAST_RUNS_LOG_MAX_BYTES,
    sandboxRuntime: v.HOLDFAST_SANDBOX_RUNTIME,
    withoutSandbox: v.HOLDFAST_RUNS_WITHOUT_SANDBOX,
    workspacesMaxBytes: v.HOLDFAST_WORKSPACES_MAX_BYTES,
    retentionDays: v.HOLDFAST_RETENTION_RUNS_DAYS ?? null,
    agentsDir: v.HOLDFAST_AGENTS_DIR ?? null,
    agentsFile: v.HOLDFAST_AGENTS_FILE ?? null,
  };
}

function redisConfig(v: Values) {
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

function telemetryConfig(v: Values) {
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

function deepFreeze<T extends object>(value: T): Frozen<T> {
  for (const part of Object.values(value)) {
    if (typeof part === 'object' && part !== null) deepFreeze(part);
  }
  return Object.freeze(value) as Frozen<T>;
}

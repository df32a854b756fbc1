import type { Secret } from './secret.ts';
import type { RoleName } from './settings/server.ts';
import type { LogFormat, LogLevel } from './settings/telemetry.ts';

/**
 * The configuration as the rest of the server sees it: nested by area, units in names, nothing
 * optional that has a default. Immutable for the life of the process.
 */
export interface Config {
  readonly server: ServerConfig;
  readonly identity: IdentityConfig;
  readonly upstreams: UpstreamsConfig;
  readonly sessions: SessionsConfig;
  readonly recordings: RecordingsConfig;
  readonly runs: RunsConfig;
  readonly database: DatabaseConfig;
  /** Null: without Redis. */
  readonly redis: RedisConfig | null;
  readonly blobs: BlobsConfig;
  readonly secrets: SecretsConfig;
  readonly telemetry: TelemetryConfig;
  readonly launcher: LauncherConfig;
}

/** What a launcher says to the processes that it starts. */
export interface LauncherConfig {
  /** Where the worker beside this process, or this worker, serves health and metrics. */
  readonly workerSocket: string | null;
  /** The end of standard input drains this process. */
  readonly endsWithStdin: boolean;
}

export interface ServerConfig {
  readonly host: string;
  readonly port: number;
  /** Without a trailing slash; null: the listening address. */
  readonly publicUrl: string | null;
  readonly roles: readonly RoleName[];
  readonly corsOrigins: readonly string[];
  /** Addresses and ranges (CIDR) of proxies whose forwarding headers are believed. */
  readonly trustedProxies: readonly string[];
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null;
  readonly dataDir: string;
  readonly consoleDir: string;
  readonly notice: string | null;
  readonly revision: string;
  readonly shutdownAcceptMs: number;
  readonly shutdownGraceMs: number;
  readonly healthIntervalMs: number;
  readonly rateLimit: { readonly perMinute: number; readonly burst: number };
}

export interface IdentityConfig {
  /** Null: local mode. */
  readonly oidc: OidcConfig | null;
  readonly adminLinkToken: Secret | null;
}

export interface OidcConfig {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: Secret | null;
  /** At least one. */
  readonly audiences: readonly string[];
  /** Separated by spaces. */
  readonly scopes: string;
  readonly claims: {
    readonly roles: readonly string[];
    readonly subject: string;
    readonly roleMap: Readonly<Record<string, string>>;
  };
}

export interface UpstreamsConfig {
  readonly azure: AzureUpstreamConfig | null;
  readonly openai: { readonly baseUrl: string; readonly apiKey: Secret } | null;
  /** `baseUrl` null: the provider's own, as below. */
  readonly anthropic: { readonly baseUrl: string | null; readonly apiKey: Secret } | null;
  readonly gemini: { readonly baseUrl: string | null; readonly apiKey: Secret } | null;
  readonly modelsFile: string | null;
  readonly azureClientId: string | null;
}

export interface AzureUpstreamConfig {
  readonly endpoint: string;
  /** Null: Entra ID. */
  /** Null: in Key Vault, or not needed with Entra ID. */
  readonly apiKey: Secret | null;
  readonly entra: boolean;
  readonly deployment: string;
}

export interface SessionsConfig {
  readonly maxActivePerOwner: number;
  readonly reconnectWindowMs: number;
  readonly defaultsFile: string | null;
  /** Null: kept for ever. */
  readonly retentionDays: number | null;
}

export interface RecordingsConfig {
  readonly uploadMaxBytes: number;
  readonly bitsPerSecond: number;
  readonly retentionDays: number | null;
}

export interface RunsConfig {
  /** Lower case, `name` or `name:port`. */
  readonly allowedHosts: readonly string[];
  /** Lower case, `host` or `*.suffix`, each with `:port` or without. */
  readonly sandboxAllowedHosts: readonly string[];
  readonly concurrency: number;
  readonly perOwner: number;
  readonly perRepository: number;
  readonly softTimeMs: number;
  readonly hardTimeMs: number;
  readonly silenceMs: number;
  /** Clone and home of one run. */
  readonly diskMaxBytes: number;
  readonly withoutSandbox: boolean;
  readonly workspacesMaxBytes: number;
  readonly retentionDays: number | null;
  readonly agentsDir: string | null;
  readonly agentsFile: string | null;
}

export interface DatabaseConfig {
  /** The launcher's embedded database too; null: this process starts it, in `server.dataDir`. */
  readonly url: Secret | null;
  /** Pool size and overflow together. */
  readonly maxConnections: number;
  readonly idleConnections: number;
  readonly echo: boolean;
}

export interface RedisConfig {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly username: string | null;
  readonly password: Secret | null;
  readonly entra: boolean;
  readonly azureClientId: string | null;
}

export interface BlobsConfig {
  readonly adapter: 'filesystem' | 'azure';
  readonly connectionString: Secret | null;
  /** With Entra ID instead of a connection string. */
  readonly accountUrl: string | null;
  readonly container: string;
  readonly azureClientId: string | null;
}

export interface SecretsConfig {
  readonly keyVaultUrl: string | null;
  readonly masterKey: Secret | null;
  readonly azureClientId: string | null;
}

export interface TelemetryConfig {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly serviceName: string;
  readonly metricsPort: number | null;
  readonly otlp: { readonly endpoint: string; readonly headers: Secret | null } | null;
  readonly azureConnectionString: Secret | null;
  readonly sampleRatio: number;
}

/**
 * Turns settings into a running set of parts. This is the only file that names adapters: which
 * database, doorbell, limiter, blob store and secret source stand behind the ports. Everything
 * else gets a port.
 */
import { hkdfSync } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Config, Variables } from './config/index.ts';
import { closeAll, newId } from './kernel/index.ts';
import {
  type BlobStore,
  type FilesystemBlobs,
  openAzureBlobs,
  openFilesystemBlobs,
} from './platform/blobs/index.ts';
import {
  type Database,
  migrate,
  observePool,
  openEmbeddedDatabase,
  openPostgres,
} from './platform/database/index.ts';
import {
  createPostgresDoorbell,
  createRedisDoorbell,
  type Doorbell,
} from './platform/doorbell/index.ts';
import { createLeases, type Leases } from './platform/leases/index.ts';
import {
  createProcessRateLimiter,
  createRedisRateLimiter,
  type RateLimiter,
} from './platform/limits/index.ts';
import { createLog, type Log } from './platform/log/index.ts';
import { createPgBossQueue, type Queue } from './platform/queue/index.ts';
import { createRedis, type Redis } from './platform/redis/index.ts';
import {
  checkDataKeys,
  checkMasterKeys,
  createEnvironmentSecrets,
  createKeyVaultSecrets,
  createLayeredSecrets,
  createSealer,
  localMasterKey,
  type MasterKeySource,
  type Sealer,
  type SecretSource,
  secretMasterKey,
} from './platform/secrets/index.ts';
import { createTelemetry, type Telemetry } from './platform/telemetry/index.ts';

const MIGRATIONS_DIR = fileURLToPath(new URL('../migrations', import.meta.url));

/** The open ports of one process. Opened in this order, closed in reverse. */
export interface Platform {
  readonly telemetry: Telemetry;
  readonly secrets: SecretSource;
  readonly database: Database;
  readonly redis: Redis | undefined;
  readonly doorbell: Doorbell;
  readonly limiter: RateLimiter;
  readonly sealer: Sealer;
  readonly log: Log;
  readonly leases: Leases;
  /** Started and stopped by the application. */
  readonly queue: Queue;
  /** `FilesystemBlobs` where its signed links must be served. */
  readonly blobs: BlobStore | FilesystemBlobs;
  /** Where this process is reached; the listening port is known only later. */
  readonly address: { baseUrl: string };
  /** In at most `timeoutMs`; a part that takes longer is left. */
  close(timeoutMs?: number): Promise<void>;
}

/** Remembers an open part, to close it. */
type Keep = <T extends { close(): Promise<void> }>(name: string, part: T) => T;

/**
 * Opens every port; closes what it had opened when one fails. `environment` is where named secrets
 * come from, unless Key Vault is configured.
 */
export async function openPlatform(config: Config, environment: Variables): Promise<Platform> {
  const replica = newId('rep');
  const address = { baseUrl: config.server.publicUrl ?? '' };
  const telemetry = await openTelemetry(config, replica);
  const opened = [{ name: 'telemetry', close: (timeoutMs: number) => telemetry.close(timeoutMs) }];
  const keep: Keep = (name, part) => {
    opened.push({ name, close: () => part.close() });
    return part;
  };
  const close = (timeoutMs?: number) => {
    const report = (part: string, error: unknown) =>
      telemetry.log.error('platform.not_closed', { part, error });
    return closeAll(opened.splice(0).toReversed(), report, timeoutMs);
  };
  try {
    const secrets = openSecrets(config, environment);
    let url = config.database.url?.reveal();
    if (url === undefined) {
      const { dataDir } = config.server;
      const poolMax = config.database.maxConnections;
      const embedded = await openEmbeddedDatabase({ dataDir, log: telemetry.log, poolMax });
      ({ url } = keep('embedded database', embedded));
    }
    const database = keep('database', await openDatabase(config, url, telemetry));
    observePool(telemetry.meter, database);
    const { applied, unknown } = await migrate(database, MIGRATIONS_DIR);
    if (applied.length > 0) telemetry.log.info('database.migrated', { applied });
    // Migrations of a newer revision only add to what this one uses.
    if (unknown.length > 0) telemetry.log.warn('database.newer', { unknown });
    const redis = openRedis(config, telemetry);
    if (redis) keep('redis', redis);
    const doorbell = keep('doorbell', await openDoorbell(database, redis, telemetry));
    const limiter = keep('limiter', openLimiter(redis, telemetry));
    const keys = masterKeys(config, secrets);
    await checkDataKeys(database);
    const missing = await checkMasterKeys(database, keys);
    if (missing.length > 0) telemetry.log.warn('secrets.master_keys_missing', { missing });
    const sealer = createSealer({ database, masterKeys: keys });
    const log = createLog({ database, sealer, doorbell, telemetry });
    const { revision, roles } = config.server;
    const leases = createLeases({ database, url, revision, roles, replica, telemetry });
    const blobs = keep('blobs', await openBlobs(config, address, keys));
    const queue = createPgBossQueue({ database, telemetry, connectionString: url });
    const ports = { telemetry, secrets, database, redis, doorbell, limiter, sealer, log, leases };
    return { ...ports, queue, blobs, address, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function openTelemetry(config: Config, replica: string): Promise<Telemetry> {
  const { telemetry, server } = config;
  return createTelemetry({
    level: telemetry.level,
    format: telemetry.format,
    serviceName: telemetry.serviceName,
    revision: server.revision,
    replica,
    otlp: telemetry.otlp && {
      endpoint: telemetry.otlp.endpoint,
      headers: telemetry.otlp.headers?.reveal() ?? null,
    },
    azureConnectionString: telemetry.azureConnectionString?.reveal() ?? null,
    sampleRatio: telemetry.sampleRatio,
    dataDir: server.dataDir,
  });
}

function openSecrets(config: Config, environment: Variables): SecretSource {
  const { keyVaultUrl, azureClientId } = config.secrets;
  const own = createEnvironmentSecrets(environment);
  if (keyVaultUrl === null) return own;
  const vault = createKeyVaultSecrets({
    vaultUrl: keyVaultUrl,
    ...(azureClientId !== null && { managedIdentityClientId: azureClientId }),
  });
  return createLayeredSecrets(own, vault);
}

function masterKeys(config: Config, secrets: SecretSource): MasterKeySource {
  const { keyVaultUrl, masterKey } = config.secrets;
  if (masterKey !== null || keyVaultUrl !== null) {
    return secretMasterKey(secrets, 'HOLDFAST_MASTER_KEY');
  }
  return localMasterKey(config.server.dataDir);
}

function openDatabase(config: Config, url: string, telemetry: Telemetry): Promise<Database> {
  const { echo, idleConnections, maxConnections } = config.database;
  const echoSql = echo
    ? (sql: string) => telemetry.log.debug('database.query', { sql })
    : undefined;
  return openPostgres({
    url,
    poolSize: idleConnections,
    maxOverflow: maxConnections - idleConnections,
    applicationName: `${config.telemetry.serviceName} ${config.server.revision}`,
    echo: echoSql,
    log: telemetry.log,
  });
}

function openRedis(config: Config, telemetry: Telemetry): Redis | undefined {
  const { redis } = config;
  if (redis === null) return undefined;
  return createRedis({
    host: redis.host,
    port: redis.port,
    ssl: redis.tls,
    ...(redis.username !== null && { username: redis.username }),
    ...(redis.password !== null && { password: redis.password.reveal() }),
    ...(redis.entra && {
      entra: {
        ...(redis.azureClientId !== null && { managedIdentityClientId: redis.azureClientId }),
      },
    }),
    telemetry,
  });
}

/** Redis where there is one, else NOTIFY. */
function openDoorbell(
  database: Database,
  redis: Redis | undefined,
  telemetry: Telemetry,
): Doorbell | Promise<Doorbell> {
  if (redis) return createRedisDoorbell({ redis, telemetry });
  return createPostgresDoorbell({ database, telemetry });
}

function openLimiter(redis: Redis | undefined, telemetry: Telemetry): RateLimiter {
  return redis ? createRedisRateLimiter({ redis, telemetry }) : createProcessRateLimiter();
}

async function openBlobs(
  config: Config,
  address: { readonly baseUrl: string },
  keys: MasterKeySource,
): Promise<BlobStore | FilesystemBlobs> {
  const { adapter, connectionString, accountUrl, container, azureClientId } = config.blobs;
  if (adapter === 'filesystem') {
    const [current] = await keys.load();
    return openFilesystemBlobs({
      dir: join(config.server.dataDir, 'blobs'),
      baseUrl: () => address.baseUrl,
      // Replicas that share a folder share the master key: each can check the links of the others.
      signingKey: new Uint8Array(hkdfSync('sha256', current!.key, '', 'holdfast blob links', 32)),
    });
  }
  return openAzureBlobs({
    connectionString: connectionString?.reveal() ?? null,
    accountUrl,
    container,
    azureClientId,
  });
}

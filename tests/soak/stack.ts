/**
 * What a soak runs against: services, simulator and one server, each a process of its own. The
 * server is started as in production, but for the inspector's port.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { startAzurite } from '../../tools/services/azurite.ts';
import { startPostgres } from '../../tools/services/postgres.ts';
import { startRedis } from '../../tools/services/redis.ts';
import { startProcess, type TestProcess } from '../e2e/harness/process.ts';
import type { SoakOptions } from './arguments.ts';
import { Inspector } from './inspector.ts';

const root = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const SERVER = root('packages/server/src/main.ts');
const SIMULATOR = root('packages/simulator/src/main.ts');
const INSPECTOR_URL = /Debugger listening on (ws:\/\/\S+)/;
const SERIOUS = /^\{"level":"(warn|error|fatal)"/;
const SERIOUS_MAX = 100;
/** Sessions outlive the run by this. */
const LIFETIME_MARGIN_MS = 600_000;
const UNLIMITED = '1000000';

export interface SoakStack {
  readonly url: string;
  readonly simulatorUrl: string;
  readonly server: TestProcess;
  readonly simulator: TestProcess;
  readonly inspector: Inspector;
  /** Lines of the server's log at level warn and above, the first of them. */
  readonly serious: readonly string[];
  /** Throws when the server does not end well. */
  stop(): Promise<void>;
}

export async function startSoakStack(options: SoakOptions): Promise<SoakStack> {
  const undo: (() => unknown)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    const services = options.stack === 'production' ? await startServices(undo) : {};
    const upstreamKey = randomBytes(16).toString('hex');
    const simulator = startProcess(SIMULATOR, {
      SIMULATOR_API_KEY: upstreamKey,
      SIMULATOR_MODE: 'load',
      SIMULATOR_LOAD_FRAMES_PER_SECOND: String(options.fps),
      SIMULATOR_LOAD_FRAME_BYTES: String(options.frameBytes),
      SIMULATOR_SESSION_LIFETIME_MS: String(options.durationMs + LIFETIME_MARGIN_MS),
      SIMULATOR_SEED: options.seed,
    });
    undo.push(() => simulator.kill());
    const simulatorUrl = await listening(simulator);
    const server = startServer(options, {
      ...services,
      OPENAI_BASE_URL: `${simulatorUrl}/v1`,
      OPENAI_API_KEY: upstreamKey,
    });
    undo.push(async () => {
      if (server.child.exitCode === null) await server.stop();
    });
    const serious = seriousLines(server);
    const url = await listening(server);
    const inspector = await Inspector.connect(inspectorUrl(server));
    undo.push(() => inspector.close());
    return { url, simulatorUrl, server, simulator, inspector, serious, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startServices(undo: (() => unknown)[]): Promise<Record<string, string>> {
  const postgres = await startPostgres();
  undo.push(() => postgres.stop());
  const redis = await startRedis();
  undo.push(() => redis.stop());
  const azurite = await startAzurite();
  undo.push(() => azurite.stop());
  return {
    DATABASE_URL: postgres.url,
    REDIS_HOST: redis.host,
    REDIS_PORT: String(redis.port),
    REDIS_SSL: 'false',
    AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString,
    AZURE_STORAGE_CONTAINER_NAME: 'soak',
    HOLDFAST_MASTER_KEY: randomBytes(32).toString('base64'),
  };
}

function startServer(options: SoakOptions, env: Record<string, string>): TestProcess {
  const dataDir = mkdtempSync(join(tmpdir(), 'holdfast-soak-'));
  process.once('exit', () => rmSync(dataDir, { recursive: true, force: true }));
  return startProcess(SERVER, {
    NODE_OPTIONS: '--inspect=127.0.0.1:0',
    PORT: '0',
    HOLDFAST_DATA_DIR: dataDir,
    HOLDFAST_MAX_ACTIVE_SESSIONS: String(options.sessions),
    HOLDFAST_RATE_LIMIT_PER_MINUTE: UNLIMITED,
    HOLDFAST_RATE_LIMIT_BURST: UNLIMITED,
    HOLDFAST_SHUTDOWN_ACCEPT: '0',
    HOLDFAST_SHUTDOWN_GRACE: '0',
    ...env,
  });
}

async function listening(started: TestProcess): Promise<string> {
  const { url } = await started.waitFor(line => line.event === 'listening');
  return String(url);
}

function seriousLines(server: TestProcess): string[] {
  const kept: string[] = [];
  createInterface({ input: server.child.stdout! }).on('line', line => {
    if (SERIOUS.test(line) && kept.length < SERIOUS_MAX) kept.push(line);
  });
  return kept;
}

function inspectorUrl(server: TestProcess): string {
  for (const line of server.lines) {
    const url = INSPECTOR_URL.exec(line)?.[1];
    if (url !== undefined) return url;
  }
  throw new Error('the server has no inspector');
}

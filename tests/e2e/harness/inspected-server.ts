import { randomBytes } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { createTestDatabase } from '../../../packages/server/src/platform/database/testing.ts';
import { type LogWatch, watchLog } from './log-watch.ts';
import { type Server, startServer, startSimulatorProcess, UPSTREAM_KEY } from './stacks.ts';

/**
 * A server on PostgreSQL and files, whose every place can be looked into: its database, its blobs
 * and its spool, and its log, so that a test can tell what was left behind.
 */
export interface InspectedServer extends Server {
  readonly simulatorUrl: string;
  readonly log: LogWatch;
  /** What was set beyond the defaults, to compose the same application elsewhere. */
  readonly env: Readonly<Record<string, string>>;
  query<T extends pg.QueryResultRow>(sql: string): Promise<T[]>;
  /** Keys of all blobs. */
  blobs(): Promise<string[]>;
  /** Files that belong to no blob: spooled, half written, or types without bytes. */
  leftovers(): Promise<string[]>;
  stop(): Promise<void>;
}

/** The caller stops it. */
export async function startInspectedServer(
  settings: Record<string, string> = {},
): Promise<InspectedServer> {
  const undo: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    const simulator = await startSimulatorProcess();
    undo.push(() => simulator.process.kill());
    const database = await createTestDatabase();
    undo.push(() => database.drop());
    const pool = new pg.Pool({ connectionString: database.url, max: 1 });
    undo.push(() => pool.end());
    const env = {
      DATABASE_URL: database.url,
      HOLDFAST_MASTER_KEY: randomBytes(32).toString('base64'),
      OPENAI_BASE_URL: `${simulator.url}/v1`,
      OPENAI_API_KEY: UPSTREAM_KEY,
      ANTHROPIC_BASE_URL: simulator.url,
      ANTHROPIC_API_KEY: UPSTREAM_KEY,
      GOOGLE_GEMINI_BASE_URL: simulator.url,
      GEMINI_API_KEY: UPSTREAM_KEY,
      ...settings,
    };
    const server = await startServer(env);
    undo.push(async () => {
      const { child } = server.process;
      if (child.exitCode === null && child.signalCode === null) await server.process.stop();
      await rm(server.dataDir, { recursive: true, force: true });
    });
    return {
      ...server,
      simulatorUrl: simulator.url,
      log: watchLog(server.process),
      env,
      query: async <T extends pg.QueryResultRow>(sql: string) => (await pool.query<T>(sql)).rows,
      blobs: () => files(join(server.dataDir, 'blobs/blobs')),
      leftovers: () => leftovers(server.dataDir),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function leftovers(dataDir: string): Promise<string[]> {
  const [spool, temporary, types, blobs] = await Promise.all(
    ['spool', 'blobs/tmp', 'blobs/types', 'blobs/blobs'].map(folder =>
      files(join(dataDir, folder)),
    ),
  );
  return [...spool!, ...temporary!, ...types!.filter(key => !blobs!.includes(key))];
}

/** Paths of all files below a folder, relative to it. */
async function files(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted();
}

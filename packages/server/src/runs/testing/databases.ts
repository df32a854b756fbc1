import { afterAll, describe } from 'vitest';
import { type Database, openPostgres } from '../../platform/database/index.ts';
import { createTestDatabase, openTestDatabase } from '../../platform/database/testing.ts';
import { openRunsHost, type RunsHost, type RunsHostOptions } from './host.ts';

export type OpenHost = (options?: RunsHostOptions) => Promise<RunsHost>;

/** Declares `suite` once per database, with a way to open a host on a fresh one. */
export function forEachRunsHost(suite: (name: string, open: OpenHost) => void): void {
  const adapters = { PGlite: onPglite, PostgreSQL: onPostgres };
  for (const [name, openDatabase] of Object.entries(adapters)) {
    describe(name, () => {
      const closing: (() => Promise<void>)[] = [];
      afterAll(async () => {
        for (const close of closing.toReversed()) await close();
      });
      suite(name, async (options = {}) => {
        const { database, connectionString, close } = await openDatabase();
        closing.push(close);
        const host = await openRunsHost(database, { connectionString, ...options });
        closing.push(() => host.close());
        return host;
      });
    });
  }
}

interface Opened {
  readonly database: Database;
  readonly connectionString: string | null;
  close(): Promise<void>;
}

async function onPglite(): Promise<Opened> {
  const database = await openTestDatabase();
  return { database, connectionString: null, close: () => database.close() };
}

export async function onPostgres(): Promise<Opened> {
  const { url, drop } = await createTestDatabase();
  const database = await openPostgres({ url, poolSize: 0, maxOverflow: 8 });
  const close = async () => {
    await database.close();
    await drop();
  };
  return { database, connectionString: url, close };
}

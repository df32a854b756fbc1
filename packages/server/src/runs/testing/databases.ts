import { afterAll } from 'vitest';
import {
  forEachPostgres,
  type OpenDatabase,
  openTestDatabase,
  withDatabase,
} from '../../platform/database/testing.ts';
import { openRunsHost, type RunsHost, type RunsHostOptions } from './host.ts';

export type OpenHost = (overrides?: RunsHostOptions) => Promise<RunsHost>;

/** Declares `suite`, with a way to open a host on a fresh database. */
export function withRunsHost(suite: (open: OpenHost) => void): void {
  withDatabase(open => suite(hostsOn(open)));
}

/** The same once per version of PostgreSQL: for what consists of SQL. */
export function forEachRunsHost(suite: (open: OpenHost) => void): void {
  forEachPostgres((_version, open) => suite(hostsOn(open)));
}

/** One host on a database of its own; it closes both. */
export async function openOwnRunsHost(): Promise<RunsHost> {
  const database = await openTestDatabase();
  const host = await openRunsHost(database);
  const close = async () => {
    await host.close();
    await database.close();
  };
  return { ...host, close };
}

function hostsOn(openDatabase: OpenDatabase): OpenHost {
  const hosts: RunsHost[] = [];
  afterAll(async () => {
    for (const host of hosts.toReversed()) await host.close();
  });
  return async overrides => {
    const host = await openRunsHost(await openDatabase(), overrides);
    hosts.push(host);
    return host;
  };
}

import { sql } from 'kysely';
import type { Database } from '../platform/database/index.ts';
import { tables } from './tables.ts';

export const DEFAULT_PROJECT = 'default';
/** Projects that are known to exist are remembered, this many at most. */
const KNOWN_MAX = 1000;
const PROJECT_ID = /^[a-z0-9][a-z0-9_-]{0,62}$/;

/** Whether a name from outside can be a project's id. */
export function isProjectId(value: string): boolean {
  return PROJECT_ID.test(value);
}

/** Makes sure that a project named by an identity provider has its row. */
export type EnsureProject = (id: string) => Promise<void>;

export function createEnsureProject(database: Database): EnsureProject {
  const known = new Set<string>([DEFAULT_PROJECT]);
  return async id => {
    if (known.has(id)) return;
    await tables(database.db)
      .insertInto('projects')
      .values({ id, name: id })
      .onConflict(conflict => conflict.doNothing())
      .execute();
    if (known.size < KNOWN_MAX) known.add(id);
  };
}

/** `now()` and a number of seconds, by the database's clock. */
export function secondsFromNow(seconds: number) {
  return sql<Date>`now() + make_interval(secs => ${seconds})`;
}

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

/** Projects come from the settings; no claim and no header makes one by naming it. */
export interface Projects {
  /** Makes those that are not there yet. */
  ensure(ids: readonly string[]): Promise<void>;
  /** Those of the given that exist. */
  existing(ids: readonly string[]): Promise<ReadonlySet<string>>;
}

export function createProjects({ db }: Database): Projects {
  const known = new Set<string>([DEFAULT_PROJECT]);
  return {
    async ensure(ids) {
      for (const id of ids) {
        await tables(db)
          .insertInto('projects')
          .values({ id, name: id })
          .onConflict(conflict => conflict.doNothing())
          .execute();
      }
    },
    async existing(ids) {
      const unknown = ids.filter(id => !known.has(id));
      if (unknown.length > 0) {
        const rows = await tables(db)
          .selectFrom('projects')
          .select('id')
          .where('id', 'in', unknown)
          .execute();
        for (const { id } of rows) if (known.size < KNOWN_MAX) known.add(id);
        return new Set([...ids.filter(id => known.has(id)), ...rows.map(({ id }) => id)]);
      }
      return new Set(ids);
    },
  };
}

/** `now()` and a number of seconds, by the database's clock. */
export function secondsFromNow(seconds: number) {
  return sql<Date>`now() + make_interval(secs => ${seconds})`;
}

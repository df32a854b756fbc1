import type { Limit, LimitList, LimitValues, NewLimit } from '@holdfast/protocol';
import { type Selectable, sql } from 'kysely';
import { type Clock, ExpiringCache } from '../kernel/index.ts';
import type { Database } from '../platform/database/index.ts';
import type { BucketSize } from '../platform/limits/index.ts';
import type { Audit } from './audit.ts';
import { notFound } from './authorize.ts';
import type { Principal } from './principal.ts';
import { type LimitRow, tables } from './tables.ts';

/** How much at once; null: not limited. */
interface Allowance<N extends null = never> {
  readonly maxSessions: number | N;
  readonly rate: BucketSize | N;
}

/** What holds for one owner of sessions: what it has itself, and what its project has in all. */
export interface Allowances {
  /** How it is called in an answer. */
  readonly name: string;
  readonly own: Allowance;
  readonly project: Allowance<null>;
}

/** What the settings say. */
export interface LimitDefaults {
  readonly person: Allowance;
  readonly key: Allowance;
  readonly project: Allowance<null>;
}

/**
 * Limits of API keys and projects: the settings, and what Admins have set otherwise. A change holds
 * on every replica within `CACHE_TTL_MS`.
 */
export interface Limits {
  /** Never rejects: where the database cannot be asked, the settings hold. */
  of(owner: Pick<Principal, 'id' | 'projectId'>): Promise<Allowances>;
  /** Those of the caller's project. */
  list(by: Principal): Promise<LimitList>;
  /** Throws `not_found` for a key of another project. All null: as the settings say. */
  put(by: Principal, request: NewLimit, requestId: string): Promise<Limit>;
}

const CACHE_TTL_MS = 5_000;
const CACHED_MAX = 10_000;
const KEY = /^key_/;

export interface LimitsDeps {
  readonly database: Database;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly defaults: LimitDefaults;
}

type Row = Selectable<LimitRow>;

export function createLimits(deps: LimitsDeps): Limits {
  const { defaults } = deps;
  const cache = new ExpiringCache<Allowances>(deps.clock, CACHED_MAX, CACHE_TTL_MS);
  return {
    async of({ id, projectId }) {
      const isKey = KEY.test(id);
      // All people of a project are alike.
      const name = `${projectId} ${isKey ? id : ''}`;
      const known = cache.get(name);
      if (known !== undefined) return known;
      const found = await read(deps, [`project:${projectId}`, ...(isKey ? [id] : [])]);
      const fallback = isKey ? defaults.key : defaults.person;
      const allowances = {
        name: isKey ? 'this API key' : 'you',
        own: isKey ? own(found?.get(id), fallback) : fallback,
        project: ofProject(found?.get(`project:${projectId}`), defaults.project),
      };
      if (found !== undefined) cache.put(name, allowances);
      return allowances;
    },
    async list(by) {
      const rows = await tables(deps.database.db)
        .selectFrom('limits')
        .selectAll()
        .where('project_id', '=', by.projectId)
        .orderBy('subject')
        .execute();
      const { person, key, project } = defaults;
      return {
        defaults: { person: values(person), key: values(key), project: values(project) },
        data: rows.map(present),
      };
    },
    async put(by, request, requestId) {
      const row = await write(deps, by, { request, requestId });
      cache.forget(`${by.projectId} `);
      cache.forget(`${by.projectId} ${request.subject}`);
      return present(row);
    },
  };
}

/** Undefined where the database cannot be asked. */
async function read(
  { database }: LimitsDeps,
  subjects: string[],
): Promise<Map<string, Row> | undefined> {
  try {
    const rows = await tables(database.db)
      .selectFrom('limits')
      .selectAll()
      .where('subject', 'in', subjects)
      .execute();
    return new Map(rows.map(row => [row.subject, row]));
  } catch {
    return undefined;
  }
}

function own(row: Row | undefined, { maxSessions, rate }: Allowance): Allowance {
  const { perMinute, burst } = rate;
  return {
    maxSessions: row?.max_sessions ?? maxSessions,
    rate: {
      perMinute: row?.requests_per_minute ?? perMinute,
      burst: row?.request_burst ?? burst,
    },
  };
}

function ofProject(row: Row | undefined, fallback: Allowance<null>): Allowance<null> {
  const perMinute = row?.requests_per_minute ?? fallback.rate?.perMinute;
  const burst = row?.request_burst ?? fallback.rate?.burst ?? perMinute;
  const rate = perMinute === undefined || burst === undefined ? null : { perMinute, burst };
  return { maxSessions: row?.max_sessions ?? fallback.maxSessions, rate };
}

async function write(
  { database, audit }: LimitsDeps,
  by: Principal,
  { request, requestId }: { request: NewLimit; requestId: string },
): Promise<Row> {
  const { projectId } = by;
  const subject = request.subject === 'project' ? `project:${projectId}` : request.subject;
  const set = {
    max_sessions: request.max_sessions ?? null,
    requests_per_minute: request.requests_per_minute ?? null,
    request_burst: request.request_burst ?? null,
    updated_by: by.id,
  };
  return database.transaction(async trx => {
    if (request.subject !== 'project') {
      const key = await tables(trx)
        .selectFrom('api_keys')
        .select('id')
        .where('id', '=', request.subject)
        .where('project_id', '=', projectId)
        .executeTakeFirst();
      if (key === undefined) throw notFound();
    }
    const row = await tables(trx)
      .insertInto('limits')
      .values({ subject, project_id: projectId, ...set })
      .onConflict(conflict =>
        conflict.column('subject').doUpdateSet({ ...set, updated_at: sql<Date>`now()` }),
      )
      .returningAll()
      .executeTakeFirstOrThrow();
    const { updated_by: _, ...limits } = set;
    const isReset = Object.values(limits).every(value => value === null);
    if (isReset) await tables(trx).deleteFrom('limits').where('subject', '=', subject).execute();
    const act = { principal: by.id, projectId, outcome: 'allowed' as const, requestId };
    await audit.record({ ...act, action: 'limits.set', target: request.subject }, trx);
    return row;
  });
}

function values({ maxSessions, rate }: Allowance<null>): LimitValues {
  return {
    max_sessions: maxSessions,
    requests_per_minute: rate?.perMinute ?? null,
    request_burst: rate?.burst ?? null,
  };
}

function present(row: Row): Limit {
  return {
    subject: KEY.test(row.subject) ? row.subject : 'project',
    max_sessions: row.max_sessions,
    requests_per_minute: row.requests_per_minute,
    request_burst: row.request_burst,
    updated_by: row.updated_by,
    updated_at: row.updated_at.toISOString(),
  };
}

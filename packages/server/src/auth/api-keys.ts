import type { ApiKey, Role } from '@holdfast/protocol';
import { type Selectable, sql } from 'kysely';
import { HoldfastError, newId } from '../kernel/index.ts';
import type { Database, Executor, Trx } from '../platform/database/index.ts';
import type { Audit } from './audit.ts';
import { notFound } from './authorize.ts';
import type { Principal } from './principal.ts';
import { secondsFromNow } from './projects.ts';
import { API_KEY_PREFIX, hashSecret, isSecretShaped, newSecret, SHOWN_CHARS } from './secrets.ts';
import { type ApiKeyRow, tables } from './tables.ts';

interface NewApiKey {
  readonly name: string;
  readonly role: Role;
  /** Absent: does not expire. */
  readonly expiresInDays?: number | undefined;
}

/** Keys for machines: `hf_…`, shown once, bound to the project they were made in. */
export interface ApiKeys {
  /** Throws `conflict` when the project has `API_KEYS_MAX` keys in use. */
  create(by: Principal, request: NewApiKey, requestId: string): Promise<ApiKey & { key: string }>;
  /** The caller's project's keys, newest first, revoked ones included. */
  list(
    by: Principal,
    page: { limit: number; cursor?: string | undefined },
  ): Promise<{ data: ApiKey[]; next_cursor: string | null }>;
  /**
   * The key, and all client secrets minted with it, stop working at once, and what they have opened
   * ends. Idempotent.
   */
  revoke(by: Principal, id: string, requestId: string): Promise<void>;
  /** The principal behind a key, or undefined for every key that does not work. */
  verify(key: string): Promise<Principal | undefined>;
}

export const API_KEYS_MAX = 500;
/** `last_used_at` is written at most this often. */
const TOUCH_INTERVAL_S = 60;
const DAY_S = 24 * 60 * 60;

type Row = Selectable<ApiKeyRow>;

/** `changed` is called once a key has lost its rights. */
export function createApiKeys(database: Database, audit: Audit, changed: () => void): ApiKeys {
  return {
    list: (by, page) => list(database.db, by, page),
    verify: key => verify(database.db, key),

    async create(by, request, requestId) {
      const key = newSecret(API_KEY_PREFIX);
      const { name, role, expiresInDays } = request;
      const row = await database.transaction(async trx => {
        await checkRoom(trx, by.projectId);
        const inserted = await tables(trx)
          .insertInto('api_keys')
          .values({
            id: newId('key'),
            project_id: by.projectId,
            name,
            role,
            key_hash: hashSecret(key),
            prefix: key.slice(0, SHOWN_CHARS),
            created_by: by.id,
            expires_at: expiresInDays === undefined ? null : secondsFromNow(expiresInDays * DAY_S),
          })
          .returningAll()
          .executeTakeFirstOrThrow();
        await audit.record(
          { ...act(by, requestId), action: 'keys.create', target: inserted.id },
          trx,
        );
        return inserted;
      });
      return { ...present(row), key };
    },

    async revoke(by, id, requestId) {
      await database.transaction(async trx => {
        const revoked = await tables(trx)
          .updateTable('api_keys')
          .set({ revoked_at: sql<Date>`coalesce(revoked_at, now())` })
          .where('id', '=', id)
          .where('project_id', '=', by.projectId)
          .returning('id')
          .executeTakeFirst();
        if (revoked === undefined) throw notFound();
        await tables(trx).deleteFrom('client_secrets').where('created_by', '=', id).execute();
        await audit.record({ ...act(by, requestId), action: 'keys.revoke', target: id }, trx);
      });
      changed();
    },
  };
}

async function checkRoom(trx: Trx, projectId: string): Promise<void> {
  const { count } = await tables(trx)
    .selectFrom('api_keys')
    .select(row => row.fn.countAll<number>().as('count'))
    .where('project_id', '=', projectId)
    .where('revoked_at', 'is', null)
    .executeTakeFirstOrThrow();
  if (count >= API_KEYS_MAX) {
    throw new HoldfastError('conflict', `A project has at most ${API_KEYS_MAX} keys. Revoke some.`);
  }
}

async function list(
  executor: Executor,
  by: Principal,
  page: { limit: number; cursor?: string | undefined },
): Promise<{ data: ApiKey[]; next_cursor: string | null }> {
  let query = tables(executor)
    .selectFrom('api_keys')
    .selectAll()
    .where('project_id', '=', by.projectId)
    .orderBy('id', 'desc')
    .limit(page.limit + 1);
  if (page.cursor !== undefined) query = query.where('id', '<', page.cursor);
  const rows = await query.execute();
  const shown = rows.slice(0, page.limit);
  const next = rows.length > page.limit ? (shown.at(-1)?.id ?? null) : null;
  return { data: shown.map(present), next_cursor: next };
}

/** Whether a row of `api_keys`, by its name in the query, is a key that works. */
export function keyLives(row: string) {
  const column = (name: string) => sql.ref(`${row}.${name}`);
  return sql<boolean>`(${column('revoked_at')} is null
    and (${column('expires_at')} is null or ${column('expires_at')} > now()))`;
}

/** One round trip: finds the key and notes its use. */
async function verify(executor: Executor, key: string): Promise<Principal | undefined> {
  if (!isSecretShaped(API_KEY_PREFIX, key)) return undefined;
  const { rows } = await sql<Pick<Row, 'id' | 'name' | 'project_id' | 'role'>>`
    with found as (
      select id, name, project_id, role, last_used_at from api_keys
      where key_hash = ${hashSecret(key)} and ${keyLives('api_keys')}
    ), touched as (
      update api_keys set last_used_at = now() where id in (
        select id from found where last_used_at is null
          or last_used_at < now() - make_interval(secs => ${TOUCH_INTERVAL_S})
      )
    )
    select id, name, project_id, role from found
  `.execute(executor);
  const row = rows[0];
  if (row === undefined) return undefined;
  const { id, name, project_id: projectId, role } = row;
  return { kind: 'api_key', id, name, projectId, role, basis: { kind: 'key', id } };
}

function act(by: Principal, requestId: string) {
  return { principal: by.id, projectId: by.projectId, outcome: 'allowed' as const, requestId };
}

function present(row: Row): ApiKey {
  return {
    id: row.id,
    name: row.name,
    project_id: row.project_id,
    role: row.role,
    prefix: row.prefix,
    created_by: row.created_by,
    created_at: row.created_at.toISOString(),
    expires_at: row.expires_at?.toISOString() ?? null,
    last_used_at: row.last_used_at?.toISOString() ?? null,
    revoked_at: row.revoked_at?.toISOString() ?? null,
  };
}

import type { ApiKey, Role, Scope } from '@holdfast/protocol';
import { type Selectable, sql } from 'kysely';
import { HoldfastError, newId } from '../kernel/index.ts';
import type { Database, Executor, Trx } from '../platform/database/index.ts';
import type { Audit } from './audit.ts';
import { notFound } from './authorize.ts';
import { SIGN_IN } from './claimed-roles.ts';
import type { Principal } from './principal.ts';
import { secondsFromNow } from './projects.ts';
import { API_KEY_PREFIX, hashSecret, isSecretShaped, newSecret, SHOWN_CHARS } from './secrets.ts';
import { type ApiKeyRow, tables } from './tables.ts';
import { unauthenticated } from './unauthenticated.ts';

interface NewApiKey {
  readonly name: string;
  readonly role: Role;
  /** Absent: does not expire, or as late as a key may. */
  readonly expiresInDays?: number | undefined;
  /** Absent: all that its role permits. */
  readonly scopes?: readonly Scope[] | undefined;
}

/** Keys for machines: `hf_…`, shown once, bound to the project they were made in. */
export interface ApiKeys {
  /**
   * A key does not outlast the rights of its creator: a person's roles, or the key that made it.
   * Throws `conflict` when the project has `API_KEYS_MAX` keys in use, `invalid_request` for one
   * that would live longer than keys may, `unauthenticated` when the key that makes it is over.
   */
  create(by: Principal, request: NewApiKey, requestId: string): Promise<ApiKey & { key: string }>;
  /** The caller's project's keys, newest first, revoked ones included. */
  list(
    by: Principal,
    page: { limit: number; cursor?: string | undefined },
  ): Promise<{ data: ApiKey[]; next_cursor: string | null }>;
  /**
   * The key, all that were made with it, and all client secrets minted with them stop working at
   * once, and what they have opened ends. Idempotent.
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

export interface ApiKeysDeps {
  readonly database: Database;
  readonly audit: Audit;
  /** How long a new key may live; null: for ever. */
  readonly maxDays: number | null;
  /** Called once a key has lost its rights. */
  readonly changed: () => void;
}

export function createApiKeys(deps: ApiKeysDeps): ApiKeys {
  const { database, audit, changed } = deps;
  return {
    list: (by, page) => list(database.db, by, page),
    verify: key => verify(database.db, key),

    async create(by, request, requestId) {
      const key = newSecret(API_KEY_PREFIX);
      const { name, role, scopes } = request;
      const days = daysOf(request, deps.maxDays);
      const row = await database.transaction(async trx => {
        await checkRoom(trx, by.projectId);
        const origin = await originOfKey(trx, by);
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
            expires_at: earlier(days, origin.expiresAt),
            scopes: scopes === undefined ? null : [...scopes],
            person_id: origin.personId,
            person_source: origin.personSource,
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
        const made = await revokeMade(trx, id);
        await tables(trx)
          .deleteFrom('client_secrets')
          .where('created_by', 'in', [id, ...made])
          .execute();
        await audit.record({ ...act(by, requestId), action: 'keys.revoke', target: id }, trx);
      });
      changed();
    },
  };
}

function daysOf({ expiresInDays }: NewApiKey, maxDays: number | null): number | null {
  if (maxDays !== null && (expiresInDays ?? 0) > maxDays) {
    throw new HoldfastError('invalid_request', `A key may live for ${maxDays} days at most.`, {
      field: 'expires_in_days',
    });
  }
  return expiresInDays ?? maxDays;
}

/** The end of a key that may live for so many days, and no longer than what it comes from. */
function earlier(days: number | null, originEndsAt: Date | null) {
  const ownEnd = days === null ? sql`null::timestamptz` : secondsFromNow(days * DAY_S);
  // `least` leaves out what never ends.
  return sql<Date | null>`least(${ownEnd}, ${originEndsAt}::timestamptz)`;
}

interface KeyOrigin {
  readonly personId: string;
  /** Null for the local user, whose right does not end. */
  readonly personSource: string | null;
  readonly expiresAt: Date | null;
}

/**
 * A key that a key makes comes from the same person, and ends no later. The request was let in
 * before its body came, so the parent may be over by now; locked, it is not revoked until the new
 * key is there to be revoked with it.
 */
async function originOfKey(trx: Trx, by: Principal): Promise<KeyOrigin> {
  if (by.kind !== 'api_key') {
    const { basis } = by;
    const source = by.kind === 'local' || basis === undefined ? null : SIGN_IN;
    const personSource = basis?.kind === 'token' ? basis.source : source;
    return { personId: by.id, personSource, expiresAt: null };
  }
  const parent = await tables(trx)
    .selectFrom('api_keys')
    .select(['person_id', 'person_source', 'expires_at'])
    .where('id', '=', by.id)
    .where(keyLives('api_keys'))
    .forUpdate()
    .executeTakeFirst();
  if (parent === undefined) throw unauthenticated();
  return {
    personId: parent.person_id ?? by.id,
    personSource: parent.person_source,
    expiresAt: parent.expires_at,
  };
}

/**
 * Revokes what a key made, and what that made; not keys from before origins were noted. Looks again
 * until there is no more: one of them may have just made another while this waited for its lock.
 */
async function revokeMade(trx: Trx, id: string, before = -1): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    with recursive made as (
      select id from api_keys where created_by = ${id} and person_id is not null
      union
      select k.id from api_keys k join made on k.created_by = made.id
        where k.person_id is not null
    )
    update api_keys set revoked_at = coalesce(revoked_at, now())
    where id in (select id from made) returning id`.execute(trx);
  if (rows.length > before) return revokeMade(trx, id, rows.length);
  return rows.map(row => row.id);
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

/**
 * The role of such a key now: its own, or that of the person behind it if that is less; null where
 * the person has none in the project any more. Of two roles the lesser comes later in the alphabet.
 */
export function keyRole(row: string) {
  const column = (name: string) => sql.ref(`${row}.${name}`);
  return sql<Role | null>`(case when ${column('person_source')} is null then ${column('role')}
    else (select greatest(${column('role')}, c.roles ->> ${column('project_id')})
      from claimed_roles c where c.principal_id = ${column('person_id')}
        and c.source = ${column('person_source')}
        and c.roles ->> ${column('project_id')} is not null) end)`;
}

/** One round trip: finds the key and notes its use. */
async function verify(executor: Executor, key: string): Promise<Principal | undefined> {
  if (!isSecretShaped(API_KEY_PREFIX, key)) return undefined;
  const { rows } = await sql<
    Pick<Row, 'id' | 'name' | 'project_id' | 'scopes'> & { role: Role | null }
  >`
    with found as (
      select id, name, project_id, scopes, ${keyRole('api_keys')} as role, last_used_at
      from api_keys
      where key_hash = ${hashSecret(key)} and ${keyLives('api_keys')}
    ), touched as (
      update api_keys set last_used_at = now() where id in (
        select id from found where last_used_at is null
          or last_used_at < now() - make_interval(secs => ${TOUCH_INTERVAL_S})
      )
    )
    select id, name, project_id, scopes, role from found
  `.execute(executor);
  const row = rows[0];
  if (row === undefined) return undefined;
  const { id, name, project_id: projectId, role, scopes } = row;
  if (role === null) return undefined;
  const basis = { kind: 'key', id } as const;
  return { kind: 'api_key', id, name, projectId, role, basis, ...(scopes && { scopes }) };
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
    scopes: row.scopes,
  };
}

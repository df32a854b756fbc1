import type { NewProviderKey, ProviderKey } from '@holdfast/protocol';
import { sql } from 'kysely';
import { type Audit, notFound, type Principal } from '../../auth/index.ts';
import { newId } from '../../kernel/index.ts';
import type { Database } from '../../platform/database/index.ts';
import type { Sealer } from '../../platform/secrets/index.ts';
import { tables } from '../tables.ts';

/**
 * A project's own keys for providers, one for each: a new key replaces the old. A key is sealed
 * under its own id and opened only to be sent; a revoked key is erased permanently.
 */
export interface ProviderKeys {
  list(by: Principal): Promise<ProviderKey[]>;
  add(by: Principal, request: NewProviderKey, requestId: string): Promise<ProviderKey>;
  /** Idempotent. Throws `not_found` for an unknown id, and for another project's. */
  revoke(by: Principal, id: string, requestId: string): Promise<void>;
  /** The key itself, for the gateway; undefined when the project has none. */
  current(projectId: string, provider: string): Promise<string | undefined>;
}

export interface ProviderKeysDeps {
  readonly database: Database;
  readonly sealer: Sealer;
  readonly audit: Pick<Audit, 'record'>;
}

const HINT_CHARS = 4;
const SHOWN = ['id', 'provider', 'name', 'hint', 'created_by', 'created_at'] as const;

export function createProviderKeys(deps: ProviderKeysDeps): ProviderKeys {
  const { database } = deps;
  return {
    async list(by) {
      const rows = await tables(database.db)
        .selectFrom('provider_keys')
        .select(SHOWN)
        .where('project_id', '=', by.projectId)
        .where('revoked_at', 'is', null)
        .orderBy('id')
        .execute();
      return rows.map(present);
    },
    add: (by, request, requestId) => add(deps, by, request, requestId),
    revoke: (by, id, requestId) => revoke(deps, by, id, requestId),
    async current(projectId, provider) {
      const row = await tables(database.db)
        .selectFrom('provider_keys')
        .select(['id', 'secret_key_id', 'secret_data'])
        .where('project_id', '=', projectId)
        .where('provider', '=', provider)
        .where('revoked_at', 'is', null)
        .executeTakeFirst();
      if (row === undefined) return undefined;
      const sealed = { keyId: row.secret_key_id, ciphertext: row.secret_data };
      const key = await deps.sealer.open(database.db, row.id, sealed);
      return typeof key === 'string' ? key : undefined;
    },
  };
}

async function add(
  { database, sealer, audit }: ProviderKeysDeps,
  by: Principal,
  request: NewProviderKey,
  requestId: string,
): Promise<ProviderKey> {
  const { provider, name, key } = request;
  const id = newId('pvk');
  return database.transaction(async trx => {
    const before = await tables(trx)
      .updateTable('provider_keys')
      .set({ revoked_at: sql<Date>`now()` })
      .where('project_id', '=', by.projectId)
      .where('provider', '=', provider)
      .where('revoked_at', 'is', null)
      .returning('id')
      .execute();
    for (const old of before) await sealer.erase(trx, old.id);
    const sealed = await sealer.seal(trx, id, key);
    const row = await tables(trx)
      .insertInto('provider_keys')
      .values({
        id,
        project_id: by.projectId,
        provider,
        name,
        hint: key.slice(-HINT_CHARS),
        secret_key_id: sealed.keyId,
        secret_data: sealed.ciphertext,
        created_by: by.id,
        revoked_at: null,
      })
      .returning(SHOWN)
      .executeTakeFirstOrThrow();
    await audit.record({ ...act(by, requestId), action: 'provider_keys.create', target: id }, trx);
    return present(row);
  });
}

async function revoke(
  { database, sealer, audit }: ProviderKeysDeps,
  by: Principal,
  id: string,
  requestId: string,
): Promise<void> {
  await database.transaction(async trx => {
    const row = await tables(trx)
      .updateTable('provider_keys')
      .set({ revoked_at: sql<Date>`coalesce(revoked_at, now())` })
      .where('id', '=', id)
      .where('project_id', '=', by.projectId)
      .returning('id')
      .executeTakeFirst();
    if (row === undefined) throw notFound();
    await sealer.erase(trx, id);
    await audit.record({ ...act(by, requestId), action: 'provider_keys.revoke', target: id }, trx);
  });
}

function act(by: Principal, requestId: string) {
  return { principal: by.id, projectId: by.projectId, outcome: 'allowed' as const, requestId };
}

function present(row: {
  id: string;
  provider: string;
  name: string;
  hint: string;
  created_by: string;
  created_at: Date;
}): ProviderKey {
  const provider = row.provider as ProviderKey['provider'];
  return { ...row, provider, created_at: row.created_at.toISOString() };
}

import { type ColumnType, type Generated, sql } from 'kysely';
import type { Executor, Trx } from '../platform/database/index.ts';

const IDEMPOTENCY_KEPT_HOURS = 24;

export interface IdempotencyKey {
  readonly key: string;
  /** Who sent it: principal and project. */
  readonly principal: string;
  /** Method and path, with what its parameters name. */
  readonly route: string;
  readonly bodySha256: string;
}

interface KeysTable {
  principal: string;
  route: string;
  key: string;
  body_sha256: string;
  status: number;
  answer: ColumnType<unknown, string, string>;
  created_at: Generated<Date>;
}

const tables = (executor: Executor) => executor.withTables<{ idempotency_keys: KeysTable }>();

const keptSince = () => sql<Date>`now() - ${sql.lit(IDEMPOTENCY_KEPT_HOURS)} * interval '1 hour'`;

/** Of two transactions with the same key, the second waits here until the first has ended. */
export async function lockKey(trx: Trx, key: IdempotencyKey): Promise<void> {
  const name = [key.principal, key.route, key.key].join('\n');
  await sql`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`.execute(trx);
}

export async function findAnswer(
  executor: Executor,
  key: IdempotencyKey,
): Promise<{ readonly body_sha256: string; readonly answer: unknown } | undefined> {
  return await tables(executor)
    .selectFrom('idempotency_keys')
    .select(['body_sha256', 'answer'])
    .where('principal', '=', key.principal)
    .where('route', '=', key.route)
    .where('key', '=', key.key)
    .where('created_at', '>', keptSince())
    .executeTakeFirst();
}

export async function keepAnswer(
  trx: Trx,
  key: IdempotencyKey,
  { status, answer }: { readonly status: number; readonly answer: unknown },
): Promise<void> {
  const values = {
    body_sha256: key.bodySha256,
    status,
    answer: JSON.stringify(answer),
    created_at: sql<Date>`now()`,
  };
  await tables(trx)
    .insertInto('idempotency_keys')
    .values({ principal: key.principal, route: key.route, key: key.key, ...values })
    .onConflict(conflict => conflict.columns(['principal', 'route', 'key']).doUpdateSet(values))
    .execute();
}

/** Deletes answers that are no longer kept. */
export async function sweepIdempotencyKeys(executor: Executor): Promise<void> {
  await tables(executor)
    .deleteFrom('idempotency_keys')
    .where('created_at', '<=', keptSince())
    .execute();
}

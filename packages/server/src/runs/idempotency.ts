import { createHash } from 'node:crypto';
import { type ColumnType, type Generated, sql } from 'kysely';
import { HoldfastError } from '../kernel/index.ts';
import type { Database, Executor, Trx } from '../platform/database/index.ts';

/**
 * `Idempotency-Key`: a request that is repeated, by a client or by what stands between, is done
 * once and answered alike. The answer is written in the transaction of what was done. A key belongs
 * to a principal in a project and to a route; another body under it is a `conflict`. Answers are
 * kept for `IDEMPOTENCY_KEPT_HOURS`; they must hold nothing private.
 */
export const IDEMPOTENCY_KEPT_HOURS = 24;
export const IDEMPOTENCY_KEY_MAX_CHARS = 200;

export interface IdempotencyKey {
  readonly key: string;
  /** Who sent it: principal and project. */
  readonly principal: string;
  /** Method and path, with what its parameters name. */
  readonly route: string;
  readonly bodySha256: string;
}

/** The key of a request; undefined without the header. Throws `invalid_request`. */
export function idempotencyKey(request: {
  readonly header: string | string[] | undefined;
  readonly principal: { readonly id: string; readonly projectId: string };
  readonly route: string;
  readonly body: unknown;
}): IdempotencyKey | undefined {
  const { header, principal, route, body } = request;
  if (header === undefined) return undefined;
  if (typeof header !== 'string' || !/^[\x21-\x7e]{1,200}$/.test(header)) {
    throw new HoldfastError(
      'invalid_request',
      `Idempotency-Key is 1 to ${IDEMPOTENCY_KEY_MAX_CHARS} printable characters.`,
      { field: 'idempotency-key' },
    );
  }
  return {
    key: header,
    principal: `${principal.projectId}:${principal.id}`,
    route,
    bodySha256: createHash('sha256').update(canonical(body)).digest('hex'),
  };
}

/** The same for bodies that differ in the order of their fields only. */
function canonical(value: unknown): string {
  return JSON.stringify(value ?? null, (_key, part: unknown) => {
    if (part === null || typeof part !== 'object' || Array.isArray(part)) return part;
    return Object.fromEntries(
      Object.entries(part).sort(([one], [other]) => (one < other ? -1 : 1)),
    );
  });
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

export interface Steps<P, T> {
  readonly status: number;
  /** Checks that need the world outside; not asked for a repeated request. */
  prepare(): Promise<P>;
  /** Does it. What it answers is stored as JSON. */
  work(trx: Trx, prepared: P): Promise<T>;
}

/** Does `work` in a transaction, or answers what the same request was answered before. */
export async function once<P, T>(
  database: Database,
  key: IdempotencyKey | undefined,
  steps: Steps<P, T>,
): Promise<{ readonly answer: T; readonly repeated: boolean }> {
  if (key === undefined) {
    const prepared = await steps.prepare();
    const answer = await database.transaction(trx => steps.work(trx, prepared));
    return { answer, repeated: false };
  }
  const before = await find<T>(database.db, key);
  if (before !== undefined) return { answer: before.answer, repeated: true };
  const prepared = await steps.prepare();
  return database.transaction(async trx => {
    // Of two at once, the second waits here and then finds the first's answer.
    const name = [key.principal, key.route, key.key].join('\n');
    await sql`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`.execute(trx);
    const meanwhile = await find<T>(trx, key);
    if (meanwhile !== undefined) return { answer: meanwhile.answer, repeated: true };
    const answer = await steps.work(trx, prepared);
    await keep(trx, key, { status: steps.status, answer });
    return { answer, repeated: false };
  });
}

async function find<T>(
  executor: Executor,
  key: IdempotencyKey,
): Promise<{ answer: T } | undefined> {
  const row = await tables(executor)
    .selectFrom('idempotency_keys')
    .select(['body_sha256', 'answer'])
    .where('principal', '=', key.principal)
    .where('route', '=', key.route)
    .where('key', '=', key.key)
    .where('created_at', '>', keptSince())
    .executeTakeFirst();
  if (row === undefined) return undefined;
  if (row.body_sha256 !== key.bodySha256) {
    throw new HoldfastError('conflict', 'This Idempotency-Key was used with another body.', {
      field: 'idempotency-key',
    });
  }
  return { answer: row.answer as T };
}

async function keep(
  trx: Trx,
  key: IdempotencyKey,
  { status, answer }: { status: number; answer: unknown },
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

/** Deletes answers that are no longer kept; answers how many. */
export async function sweepIdempotencyKeys(executor: Executor): Promise<number> {
  const { numDeletedRows } = await tables(executor)
    .deleteFrom('idempotency_keys')
    .where('created_at', '<=', keptSince())
    .executeTakeFirst();
  return Number(numDeletedRows);
}

function keptSince() {
  return sql<Date>`now() - ${sql.lit(IDEMPOTENCY_KEPT_HOURS)} * interval '1 hour'`;
}

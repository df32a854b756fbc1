import { createHash } from 'node:crypto';
import { HoldfastError } from '../kernel/index.ts';
import type { Database, Executor, Trx } from '../platform/database/index.ts';
import type { IdempotencyKey } from './idempotency-store.ts';
import * as store from './idempotency-store.ts';

/**
 * `Idempotency-Key`: a request that is repeated, by a client or by a proxy, is done once and
 * answered alike. The answer is written in the transaction of the work. A key belongs to a
 * principal in a project and to a route; another body under it is a `conflict`. Answers are kept
 * for `IDEMPOTENCY_KEPT_HOURS`; they must hold nothing private.
 */
const IDEMPOTENCY_KEY_MAX_CHARS = 200;

/** The key of a request; undefined without the header. Throws `invalid_request`. */
export function idempotencyKey(request: {
  readonly header: string | string[] | undefined;
  readonly principal: { readonly id: string; readonly projectId: string };
  readonly route: string;
  readonly body: unknown;
}): IdempotencyKey | undefined {
  const { header, principal, route, body } = request;
  if (header === undefined) return undefined;
  if (
    typeof header !== 'string' ||
    header.length > IDEMPOTENCY_KEY_MAX_CHARS ||
    !/^[\x21-\x7e]+$/.test(header)
  ) {
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

export interface Steps<P, T> {
  readonly status: number;
  /** Checks that need the outside world; skipped for a repeated request. */
  prepare(): Promise<P>;
  /** Does the work. Its answer is stored as JSON. */
  work(trx: Trx, prepared: P): Promise<T>;
}

/** Does `work` in a transaction, or answers what the same request was answered before. */
export async function withIdempotency<P, T>(
  database: Database,
  key: IdempotencyKey | undefined,
  steps: Steps<P, T>,
): Promise<{ readonly answer: T; readonly repeated: boolean }> {
  if (key === undefined) {
    const prepared = await steps.prepare();
    const answer = await database.transaction(trx => steps.work(trx, prepared));
    return { answer, repeated: false };
  }
  const before = await findSame<T>(database.db, key);
  if (before !== undefined) return { answer: before.answer, repeated: true };
  const prepared = await steps.prepare();
  return database.transaction(async trx => {
    await store.lockKey(trx, key);
    const meanwhile = await findSame<T>(trx, key);
    if (meanwhile !== undefined) return { answer: meanwhile.answer, repeated: true };
    const answer = await steps.work(trx, prepared);
    await store.keepAnswer(trx, key, { status: steps.status, answer });
    return { answer, repeated: false };
  });
}

async function findSame<T>(
  executor: Executor,
  key: IdempotencyKey,
): Promise<{ readonly answer: T } | undefined> {
  const row = await store.findAnswer(executor, key);
  if (row === undefined) return undefined;
  if (row.body_sha256 !== key.bodySha256) {
    throw new HoldfastError('conflict', 'This Idempotency-Key was used with another body.', {
      field: 'idempotency-key',
    });
  }
  return { answer: row.answer as T };
}

import { sql } from 'kysely';
import { hashSecret, isSecretShaped, newSecret, RUN_TOKEN_PREFIX } from '../../auth/index.ts';
import type { Executor, Trx } from '../../platform/database/index.ts';
import { tables } from '../tables.ts';

/** The party a call is made for: it decides on budgets, keys and watchers. */
export interface ModelCaller {
  readonly projectId: string;
  readonly owner: string;
  /** Null for a person or an API key. */
  readonly runId: string | null;
}

/** Longer than any run's hard limit; asking for more is a programming error. */
export const RUN_TOKEN_TTL_MAX_MS = 24 * 3600 * 1000;

/** Expired tokens deleted with each new one: a worker that died revoked none of its own. */
const EXPIRED_PER_ISSUE = 100;

/** See `ModelGateway.issueRunToken`. */
export async function issueRunToken(
  trx: Trx,
  run: { id: string; projectId: string; owner: string },
  ttlMs: number,
): Promise<string> {
  if (!(ttlMs > 0 && ttlMs <= RUN_TOKEN_TTL_MAX_MS))
    throw new RangeError(`A run token lives up to ${RUN_TOKEN_TTL_MAX_MS} ms.`);
  const token = newSecret(RUN_TOKEN_PREFIX);
  await sql`delete from run_tokens where token_hash in (
    select token_hash from run_tokens where expires_at <= now()
    limit ${EXPIRED_PER_ISSUE} for update skip locked)`.execute(trx);
  await tables(trx)
    .insertInto('run_tokens')
    .values({
      token_hash: hashSecret(token),
      run_id: run.id,
      project_id: run.projectId,
      owner: run.owner,
      expires_at: sql<Date>`now() + make_interval(secs => ${ttlMs / 1000})`,
    })
    .execute();
  return token;
}

export async function revokeRunTokens(trx: Trx, runId: string): Promise<void> {
  await tables(trx).deleteFrom('run_tokens').where('run_id', '=', runId).execute();
}

/** The run behind a token, or undefined for every token that does not work (any more). */
export async function verifyRunToken(
  executor: Executor,
  token: string | undefined,
): Promise<(ModelCaller & { readonly runId: string }) | undefined> {
  if (token === undefined || !isSecretShaped(RUN_TOKEN_PREFIX, token)) return undefined;
  const row = await tables(executor)
    .selectFrom('run_tokens')
    .select(['run_id', 'project_id', 'owner'])
    .where('token_hash', '=', hashSecret(token))
    .where('expires_at', '>', sql<Date>`now()`)
    .executeTakeFirst();
  return row && { runId: row.run_id, projectId: row.project_id, owner: row.owner };
}

/** The id of the run behind a token, or undefined for every token that does not work (any more). */
export async function runOfToken(executor: Executor, token: string): Promise<string | undefined> {
  return (await verifyRunToken(executor, token))?.runId;
}

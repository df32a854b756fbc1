import { sql } from 'kysely';
import { expect, it } from 'vitest';
import { withDatabase } from '../platform/database/testing.ts';
import { withIdempotency } from './idempotency.ts';
import { type IdempotencyKey, sweepIdempotencyKeys } from './idempotency-store.ts';

withDatabase(open => {
  it('deletes the answers of keys that are no longer kept, and no others', async () => {
    const database = await open();
    const keyOf = (key: string): IdempotencyKey => ({
      key,
      principal: 'default:ann',
      route: 'POST /v1/things',
      bodySha256: '0'.repeat(64),
    });
    for (const key of ['old', 'young']) {
      const work = async () => ({ key });
      await withIdempotency(database, keyOf(key), { status: 201, prepare: async () => {}, work });
    }
    await sql`update idempotency_keys set created_at = now() - interval '25 hours'
      where key = 'old'`.execute(database.db);
    await sweepIdempotencyKeys(database.db);
    const kept = await sql<{ key: string }>`select key from idempotency_keys`.execute(database.db);
    expect(kept.rows).toEqual([{ key: 'young' }]);
  });
});

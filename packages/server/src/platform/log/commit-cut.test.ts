import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newUuidV7 } from '../../kernel/index.ts';
import { type Database, openPostgres } from '../database/index.ts';
import { createTestDatabase, type TestPostgresDatabase } from '../database/testing.ts';
import type { AppendRequest, NewEvent } from './log.ts';
import { type PostgresProxy, startPostgresProxy } from './testing/postgres-proxy.ts';
import { openTestLog } from './testing.ts';

const event: NewEvent = {
  type: 'tool.called',
  data: { item_id: null, call_id: 'c', name: 'n' },
  private: { arguments: '{}' },
};

describe('an append whose connection is lost after COMMIT was sent', () => {
  let server: TestPostgresDatabase;
  let proxy: PostgresProxy;
  let database: Database;

  beforeAll(async () => {
    server = await createTestDatabase();
    proxy = await startPostgresProxy(server.url);
    database = await openPostgres({ url: proxy.url, poolSize: 2 });
  });
  afterAll(async () => {
    await database.close();
    await proxy.close();
    await server.drop();
  });

  it('fails, has happened, and is not doubled when retried with its append id', async () => {
    const { log, newSession } = openTestLog(database);
    const subject = await newSession();
    const request: AppendRequest = {
      subject,
      actor: 'usr_test',
      appendId: newUuidV7(),
      events: [event, event],
      fence: 0,
    };
    proxy.cutNextCommit();
    await expect(log.appendNow(request)).rejects.toMatchObject({ code: 'unavailable' });
    expect(proxy.cuts).toBe(1);
    expect((await log.subject(database.db, subject))?.lastSeq).toBe(2);
    expect(await log.appendNow(request)).toEqual([1, 2]);
    expect(await log.appendNow({ ...request, appendId: newUuidV7() })).toEqual([3, 4]);
    const page = { subject, after: 0, limit: 10, includePrivate: true };
    const stored = await log.read(database.db, page);
    expect(stored.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
  });
});

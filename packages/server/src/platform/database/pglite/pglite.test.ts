/** What is particular to the embedded adapter: its thread, its single session, its bounds. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openTestDatabase } from '../testing.ts';
import { PENDING_LIMIT } from './client.ts';
import type { Answer } from './messages.ts';
import { openPglite, type PgliteDatabase } from './open.ts';

const count = sql<{ n: number }>`select count(*) as n from things`;

describe('in memory', () => {
  let database: PgliteDatabase;
  const echoed: string[] = [];

  beforeAll(async () => {
    database = await openTestDatabase({ echo: text => echoed.push(text) });
    await sql`create table things (id integer)`.execute(database.db);
  });

  afterEach(async () => {
    await sql`delete from things`.execute(database.db);
  });

  afterAll(async () => {
    await database.close();
  });

  const rows = async () => (await count.execute(database.db)).rows[0]!.n;

  it('leaves the calling thread free: a 5 ms timer fires during 2,000 inserts', async () => {
    let ticks = 0;
    const timer = setInterval(() => {
      ticks += 1;
    }, 5);
    for (let id = 0; id < 2_000; id += 1) {
      await sql`insert into things values (${id})`.execute(database.db);
    }
    clearInterval(timer);
    // On the calling thread it would have been none at all.
    expect(ticks).toBeGreaterThan(20);
    expect(await rows()).toBe(2_000);
  }, 60_000);

  it('rolls back when the port of its caller dies, and goes on with the next', async () => {
    const port = database.lite.link.connect();
    const ask = (request: object) =>
      new Promise<Answer>(resolve => {
        port.once('message', resolve);
        port.postMessage({ id: 1, request });
      });
    const begun = await ask({ kind: 'begin', timeoutMs: 60_000 });
    const tx = begun.ok ? begun.value : undefined;
    await ask({ kind: 'query', tx, sql: 'insert into things values (1)', parameters: [] });
    const waiting = rows();
    port.close();
    expect(await waiting).toBe(0);
  });

  it('rolls back by itself when a caller forgets its transaction', async () => {
    const tx = await database.lite.begin(20);
    await database.lite.send({
      kind: 'query',
      tx,
      sql: 'insert into things values (1)',
      parameters: [],
    });
    expect(await rows()).toBe(0);
    const late = database.lite.send({ kind: 'commit', tx });
    await expect(late).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('refuses more waiting requests than the limit, and only those', async () => {
    const tx = await database.lite.begin(30_000);
    const waiting = Array.from({ length: PENDING_LIMIT }, () => database.lite.query('select 1'));
    expect(database.lite.pending).toBe(PENDING_LIMIT);
    await expect(database.lite.query('select 1')).rejects.toMatchObject({ code: 'unavailable' });
    // The transaction that all wait for is not held up by the limit.
    await database.lite.send({ kind: 'rollback', tx });
    await Promise.all(waiting);
    expect(database.lite.pending).toBe(0);
  });

  it('has no transactions by hand, and a script leaves none open', async () => {
    const { lite } = database;
    await expect(lite.query('begin')).rejects.toThrow(/transaction/);
    await expect(lite.exec('begin; insert into things values (1); nonsense')).rejects.toThrow();
    expect(await rows()).toBe(0);
    await lite.exec('begin; insert into things values (2)');
    expect(await rows()).toBe(0);
    await lite.query('rollback');
    await lite.exec('begin; insert into things values (3); commit');
    expect(await rows()).toBe(1);
  });

  it('offers PGlite’s own interface to libraries', async () => {
    const { lite } = database;
    expect([lite.ready, lite.closed]).toEqual([true, false]);
    const heard = Promise.withResolvers<string>();
    const stop = await lite.listen('lite', heard.resolve);
    const value = await lite.transaction(async tx => {
      await tx.query('insert into things values ($1)', [1]);
      await tx.exec("insert into things values (2); select pg_notify('lite', 'hi')");
      return (await tx.query<{ n: number }>('select count(*) as n from things')).rows[0]?.n;
    }, 5_000);
    expect([value, await heard.promise]).toEqual([2, 'hi']);
    await stop();
    await lite.transaction(async tx => {
      await tx.query('delete from things');
      await tx.rollback();
    }, 5_000);
    const failed = lite.transaction(async tx => {
      await tx.query('delete from things');
      throw new Error('no');
    }, 5_000);
    await expect(failed).rejects.toThrow('no');
    expect(await rows()).toBe(2);
  });

  it('echoes SQL and never parameters', async () => {
    echoed.length = 0;
    await sql`select ${'hunter2'}::text`.execute(database.db);
    expect(echoed).toEqual(['select $1::text']);
  });
});

describe('in a folder', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-pglite-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('is there again after close, and lets go of the folder', async () => {
    const dataDir = join(folder, 'kept');
    const first = await openTestDatabase({ dataDir });
    await sql`create table things (id integer)`.execute(first.db);
    await sql`insert into things values (1)`.execute(first.db);
    await first.close();
    const second = await openPglite({ dataDir });
    expect((await count.execute(second.db)).rows).toEqual([{ n: 1 }]);
    await second.close();
    expect(existsSync(join(dataDir, 'database.new'))).toBe(false);
  });

  it('comes back on the same files, still listening, when its thread dies', async () => {
    const dataDir = join(folder, 'dies');
    const database = await openTestDatabase({ dataDir });
    await sql`create table things (id integer)`.execute(database.db);
    const heard = Promise.withResolvers<string>();
    await database.listen('still', heard.resolve);
    const [killed, newcomer] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const straggler = database.transaction(async trx => {
      await sql`insert into things values (1)`.execute(trx);
      await database.lite.link.kill();
      killed.resolve();
      await newcomer.promise;
      await sql`insert into things values (2)`.execute(trx);
    });
    const refused = expect(straggler).rejects.toMatchObject({ code: 'unavailable' });
    await killed.promise;
    await database.transaction(async trx => {
      await sql`insert into things values (3)`.execute(trx);
      newcomer.resolve();
      await refused;
    });
    await database.notify('still', 'here');
    expect(await heard.promise).toBe('here');
    const { rows } = await sql`select id from things`.execute(database.db);
    expect(rows).toEqual([{ id: 3 }]);
    await database.close();
  });

  it('says why it cannot be opened, and lets go of the folder', async () => {
    const dumpFile = join(folder, 'no-such-dump');
    const dataDir = join(folder, 'never');
    await expect(openPglite({ dataDir, dumpFile })).rejects.toThrow(/no-such-dump/);
    const database = await openTestDatabase({ dataDir });
    await database.close();
  });
});

it('stays `unavailable` when a database in memory lost its thread', async () => {
  const database = await openTestDatabase();
  const waiting = sql`select pg_sleep(30)`.execute(database.db);
  const refused = expect(waiting).rejects.toMatchObject({ code: 'unavailable' });
  await database.lite.link.kill();
  await refused;
  await expect(database.ping(1_000)).rejects.toMatchObject({ code: 'unavailable' });
  await database.close();
});

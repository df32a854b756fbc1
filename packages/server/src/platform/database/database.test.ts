/** The contract of the database port, on every version of PostgreSQL. */
import { sql } from 'kysely';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Database } from './database.ts';
import { runScript } from './driver.ts';
import { isUniqueViolation, SqlError } from './errors.ts';
import { NOTIFY_MAX_BYTES } from './kysely-database.ts';
import { forEachPostgres } from './testing.ts';

forEachPostgres((_version, open) => {
  let database: Database;
  beforeAll(async () => {
    database = await open();
    await runScript(
      database.db,
      `create table things (id integer primary key, note text, data jsonb, bytes bytea);
       create table parts (id integer primary key, thing integer references things (id))`,
    );
  });

  const ids = async () => {
    const { rows } = await sql<{ id: number }>`select id from things order by id`.execute(
      database.db,
    );
    return rows.map(row => row.id);
  };
  const one = async <T>(query: { execute(db: Database['db']): Promise<{ rows: T[] }> }) =>
    (await query.execute(database.db)).rows[0];

  describe('values', () => {
    it('arrive as the same JavaScript types', async () => {
      const row = await one(sql`
        select 9007199254740991::int8 as big, count(*) as n, 1.50::numeric as exact,
          0.5::float8 as float, true as flag, 'ü' as text, null as nothing,
          '2026-01-02 03:04:05.678+02'::timestamptz as at,
          '2026-01-02 03:04:05'::timestamp as local, '2026-01-02'::date as day,
          '1 day'::interval as span, '\\x00ff'::bytea as bytes,
          '{"a":[1,null]}'::jsonb as data, '[1]'::json as list, array['a','b'] as texts,
          array[1,2] as numbers`);
      expect(row).toEqual({
        big: 9007199254740991,
        n: 1,
        exact: '1.50',
        float: 0.5,
        flag: true,
        text: 'ü',
        nothing: null,
        at: new Date('2026-01-02T01:04:05.678Z'),
        local: new Date('2026-01-02T03:04:05Z'),
        day: '2026-01-02',
        span: '1 day',
        bytes: new Uint8Array([0, 255]),
        data: { a: [1, null] },
        list: [1],
        texts: ['a', 'b'],
        numbers: [1, 2],
      });
    });

    it('lose no digits: an int8 beyond 2^53 throws', async () => {
      const query = sql`select 9007199254740992::int8 as big`;
      await expect(query.execute(database.db)).rejects.toThrow(/int8/);
      await database.ping(5_000);
    });

    it('go in as parameters', async () => {
      const at = new Date('2026-11-22T05:06:07.089Z');
      const row = await one(sql`
        select ${at}::timestamptz as at, ${new Uint8Array([1, 2])}::bytea as bytes,
          ${Buffer.from('hi')}::bytea as buffer, ${JSON.stringify(['x'])}::jsonb as data,
          ${null}::text as nothing, ${undefined}::text as missing, ${7}::int8 as n,
          ${'a'} = any(${['a', 'b']}::text[]) as contained`);
      expect(row).toEqual({
        at,
        bytes: new Uint8Array([1, 2]),
        buffer: new Uint8Array([104, 105]),
        data: ['x'],
        nothing: null,
        missing: null,
        n: 7,
        contained: true,
      });
    });

    it('come with the number of changed rows', async () => {
      const insert = await sql`insert into things values (1, 'x'), (2, 'y')`.execute(database.db);
      expect(insert.numAffectedRows).toBe(2n);
      const update = await sql`update things set note = 'z' where id = 99`.execute(database.db);
      expect(update.numAffectedRows).toBe(0n);
      await sql`delete from things`.execute(database.db);
    });
  });

  describe('errors', () => {
    it('name what was violated and repeat no values', async () => {
      await sql`insert into things values (10, 'secret')`.execute(database.db);
      const error = await sql`insert into things values (10, 'secret')`
        .execute(database.db)
        .catch(caught => caught);
      expect(error).toBeInstanceOf(SqlError);
      expect(error).toMatchObject({ code: '23505', table: 'things', constraint: 'things_pkey' });
      expect(isUniqueViolation(error)).toBe(true);
      expect(isUniqueViolation(error, 'other_key')).toBe(false);
      expect(JSON.stringify({ ...error, message: error.message })).not.toMatch(/secret|\(10\)/);
      const orphan = await sql`insert into parts values (1, 404)`
        .execute(database.db)
        .catch(caught => caught);
      expect(orphan).toBeInstanceOf(SqlError);
      expect(orphan).toMatchObject({ code: '23503' });
      expect(isUniqueViolation(orphan)).toBe(false);
      expect(await ids()).toEqual([10]);
      await sql`delete from things`.execute(database.db);
    });

    it('are `invalid_request` for text that no column can hold', async () => {
      const statements = [sql`select ${'a\u0000b'}::text`, sql`select ${'{"a":"\\u0000"}'}::jsonb`];
      for (const statement of statements) {
        const error = await statement.execute(database.db).catch(caught => caught);
        expect(error).toMatchObject({ code: 'invalid_request', detail: expect.any(String) });
        expect(error.detail).not.toMatch(/byte sequence|escape/);
      }
      expect(await ids()).toEqual([]);
    });

    it('keep the stack of the caller', async () => {
      const query = async function namedCaller() {
        await sql`select nothing_like_this`.execute(database.db);
      };
      const error = await query().catch(caught => caught);
      expect(error.code).toBe('42703');
      expect(error.stack).toContain('namedCaller');
    });
  });

  describe('listen', () => {
    it('receives notifications in order, on its channel, until closed', async () => {
      const received: string[] = [];
      let rung = Promise.withResolvers<void>();
      const first = await database.listen('chan_1', payload => received.push(`first ${payload}`));
      const second = await database.listen('chan_1', payload => received.push(`second ${payload}`));
      const other = await database.listen('chan_2', () => rung.resolve());
      const say = async (payload: string) => {
        rung = Promise.withResolvers();
        await database.notify('chan_1', payload);
        await database.notify('chan_2', 'after it');
        await rung.promise;
      };
      await say('a');
      await second.close();
      await say('b');
      await first.close();
      await say('c');
      await other.close();
      expect(received).toEqual(['first a', 'second a', 'first b']);
    });

    it('receives what a transaction sent only if it committed', async () => {
      const received: string[] = [];
      const done = Promise.withResolvers<void>();
      const subscription = await database.listen('chan_3', payload => {
        received.push(payload);
        if (payload === 'end') done.resolve();
      });
      const say = (payload: string, fail: boolean) =>
        database.transaction(async trx => {
          await sql`select pg_notify('chan_3', ${payload})`.execute(trx);
          if (fail) throw new Error('no');
        });
      await say('undone', true).catch(() => {});
      await say('kept', false);
      await database.notify('chan_3', 'end');
      await done.promise;
      await subscription.close();
      expect(received).toEqual(['kept', 'end']);
    });

    it('takes payloads up to the limit and channel names that are identifiers', async () => {
      const received = Promise.withResolvers<string>();
      const subscription = await database.listen('chan_4', received.resolve);
      await expect(database.notify('chan_4', 'x'.repeat(NOTIFY_MAX_BYTES + 1))).rejects.toThrow();
      await expect(database.notify('no"pe', '')).rejects.toThrow(TypeError);
      await expect(database.listen('Nope', () => {})).rejects.toThrow(TypeError);
      await database.notify('chan_4', 'x'.repeat(NOTIFY_MAX_BYTES));
      expect((await received.promise).length).toBe(NOTIFY_MAX_BYTES);
      await subscription.close();
    });
  });

  it('runs a script of several statements, whole or not at all in a transaction', async () => {
    const script = 'create table a_1 (id int); insert into a_1 values (1), (2)';
    await database.transaction(trx => runScript(trx, script));
    expect(await one(sql`select count(*) as n from a_1`)).toEqual({ n: 2 });
    const bad = database.transaction(trx => runScript(trx, 'drop table a_1; select nonsense'));
    await expect(bad).rejects.toMatchObject({ code: '42703' });
    expect(await one(sql`select count(*) as n from a_1`)).toEqual({ n: 2 });
  });

  it('answers `unavailable` once closed, and closes once', async () => {
    const own = await open();
    await own.ping(5_000);
    await own.close();
    await own.close();
    await expect(own.ping(5_000)).rejects.toThrow();
    await expect(own.listen('chan', () => {})).rejects.toMatchObject({ code: 'unavailable' });
    await expect(own.transaction(async () => {})).rejects.toThrow();
  });
});

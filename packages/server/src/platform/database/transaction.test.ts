/** The contract of the database port's transactions, on every version of PostgreSQL. */
import { sql } from 'kysely';
import { afterEach, beforeAll, expect, it } from 'vitest';
import type { Database } from './database.ts';
import { runScript } from './driver.ts';
import { TRANSACTION_ATTEMPTS } from './kysely-database.ts';
import { forEachPostgres } from './testing.ts';

forEachPostgres((_name, open) => {
  let database: Database;
  beforeAll(async () => {
    database = await open();
    await runScript(
      database.db,
      `create table things (id integer primary key);
       create table counters (id integer primary key, value integer not null);
       insert into counters values (1, 0)`,
    );
  });
  afterEach(async () => {
    await sql`delete from things`.execute(database.db);
  });

  const ids = async () => {
    const query = sql<{ id: number }>`select id from things order by id`;
    return (await query.execute(database.db)).rows.map(row => row.id);
  };

  it('commits when its work resolves and hands on the value', async () => {
    const value = await database.transaction(async trx => {
      await sql`insert into things values (20)`.execute(trx);
      return 'done';
    });
    expect(value).toBe('done');
    expect(await ids()).toEqual([20]);
  });

  it('rolls back when its work throws, and throws the same', async () => {
    const why = new Error('changed my mind');
    const attempt = database.transaction(async trx => {
      await sql`insert into things values (21)`.execute(trx);
      throw why;
    });
    await expect(attempt).rejects.toBe(why);
    expect(await ids()).toEqual([]);
  });

  it('does not include what others do at the same time', async () => {
    const begun = Promise.withResolvers<void>();
    const attempt = database.transaction(async trx => {
      await sql`insert into things values (22)`.execute(trx);
      begun.resolve();
      await sql`select pg_sleep(0.05)`.execute(trx);
      throw new Error('rolled back');
    });
    await begun.promise;
    const other = sql`insert into things values (23)`.execute(database.db);
    await expect(attempt).rejects.toThrow('rolled back');
    await other;
    expect(await ids()).toEqual([23]);
  });

  it('is isolated: 40 increments at once lose none', async () => {
    await Promise.all(
      Array.from({ length: 40 }, () =>
        database.transaction(async trx => {
          const { rows } = await sql<{ value: number }>`
            select value from counters where id = 1 for update`.execute(trx);
          await sql`update counters set value = ${rows[0]!.value + 1} where id = 1`.execute(trx);
        }),
      ),
    );
    const { rows } = await sql`select value from counters`.execute(database.db);
    expect(rows).toEqual([{ value: 40 }]);
  });

  it('takes statements started together', async () => {
    await database.transaction(async trx => {
      const inserts = [30, 31, 32].map(id => sql`insert into things values (${id})`.execute(trx));
      await Promise.all(inserts);
    });
    expect(await ids()).toEqual([30, 31, 32]);
  });

  it('runs statements started together in their order', async () => {
    await database.transaction(async trx => {
      const raise = (by: number) =>
        sql`update counters set value = value * 10 + ${by} where id = 1`.execute(trx);
      await sql`update counters set value = 0 where id = 1`.execute(trx);
      await Promise.all([1, 2, 3].map(raise));
    });
    const { rows } = await sql`select value from counters`.execute(database.db);
    expect(rows).toEqual([{ value: 123 }]);
  });

  it('undoes all that was started together when one of it is refused', async () => {
    const attempt = database.transaction(trx =>
      Promise.all([
        sql`insert into things values (33)`.execute(trx),
        sql`select 1/0`.execute(trx),
        sql`insert into things values (34)`.execute(trx),
      ]),
    );
    await expect(attempt).rejects.toMatchObject({ code: '22012' });
    expect(await ids()).toEqual([]);
    await database.ping(5_000);
  });

  it('refuses the database, a second transaction, notify and listen inside', async () => {
    const forbidden = [
      () => sql`select 1`.execute(database.db),
      () => database.transaction(async () => {}),
      () => database.notify('channel', ''),
      () => database.listen('channel', () => {}),
      () => database.ping(5_000),
    ];
    for (const act of forbidden) {
      await expect(database.transaction<unknown>(() => act())).rejects.toThrow(
        /only its own `trx`/,
      );
    }
    await database.ping(5_000);
  });

  it('lets work that it started use the database once it is over', async () => {
    const over = Promise.withResolvers<void>();
    let later: Promise<unknown> | undefined;
    await database.transaction(async () => {
      later = over.promise.then(() => database.ping(5_000));
    });
    over.resolve();
    await expect(later).resolves.toBeUndefined();
  });

  it('is rolled back after its time-out, and what is left of its work can do nothing', async () => {
    let late: (() => Promise<unknown>) | undefined;
    const attempt = database.transaction(
      async trx => {
        await sql`insert into things values (40)`.execute(trx);
        late = () => sql`insert into things values (41)`.execute(trx);
        await new Promise(() => {});
      },
      { timeoutMs: 50 },
    );
    await expect(attempt).rejects.toMatchObject({ code: 'unavailable' });
    await expect(late?.()).rejects.toThrow();
    expect(await ids()).toEqual([]);
  });

  it('does not report a commit that the database turned into a rollback', async () => {
    const attempt = database.transaction(async trx => {
      await sql`insert into things values (50)`.execute(trx);
      await sql`select 1/0`.execute(trx).catch(() => {});
    });
    await expect(attempt).rejects.toThrow(/rolled back/);
    expect(await ids()).toEqual([]);
  });

  it('commits after a savepoint undid a failed statement', async () => {
    await database.transaction(async trx => {
      await sql`savepoint before_it`.execute(trx);
      await sql`select 1/0`.execute(trx).catch(() => {});
      await sql`rollback to savepoint before_it`.execute(trx);
      await sql`insert into things values (51)`.execute(trx);
    });
    expect(await ids()).toEqual([51]);
  });

  it.each(['40001', '40P01'])('is tried again after %s, a bounded number of times', async code => {
    const fail = sql.raw(`do $$ begin raise exception 'lost' using errcode = '${code}'; end $$`);
    let attempts = 0;
    await database.transaction(async trx => {
      attempts += 1;
      if (attempts < TRANSACTION_ATTEMPTS) await fail.execute(trx);
    });
    expect(attempts).toBe(TRANSACTION_ATTEMPTS);
    attempts = 0;
    const hopeless = database.transaction(async trx => {
      attempts += 1;
      await fail.execute(trx);
    });
    await expect(hopeless).rejects.toMatchObject({ code: 'unavailable' });
    expect(attempts).toBe(TRANSACTION_ATTEMPTS);
  });

  it('is not tried again after any other error', async () => {
    let attempts = 0;
    const attempt = database.transaction(async trx => {
      attempts += 1;
      await sql`select 1/0`.execute(trx);
    });
    await expect(attempt).rejects.toMatchObject({ code: '22012' });
    expect(attempts).toBe(1);
  });
});

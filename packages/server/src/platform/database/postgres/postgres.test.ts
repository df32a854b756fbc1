/** What is particular to PostgreSQL: a network in between, a pool, a server that goes away. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createCertificate } from '../../../../../../tools/services/certificate.ts';
import { startPostgres } from '../../../../../../tools/services/postgres.ts';
import { startTcpProxy, type TcpProxy } from '../../../../../../tools/services/tcp-proxy.ts';
import type { Database, Trx } from '../database.ts';
import { runScript } from '../driver.ts';
import { createTestDatabase, type TestPostgresDatabase } from '../testing.ts';
import { openPostgres, type PostgresOptions } from './open.ts';
import { ACQUIRE_QUEUE_LIMIT, PostgresSource } from './source.ts';

let own: TestPostgresDatabase;
let admin: pg.Client;
let proxy: TcpProxy;
const opened: Database[] = [];
const warnings: string[] = [];
const log = { warn: (event: string) => warnings.push(event) };

beforeAll(async () => {
  own = await createTestDatabase();
  admin = new pg.Client({ connectionString: own.url });
  await admin.connect();
  await admin.query('create table things (id integer primary key)');
});

afterAll(async () => {
  await admin.end();
  await own.drop();
});

beforeEach(async () => {
  warnings.length = 0;
  await admin.query('delete from things');
  proxy = await startTcpProxy(Number(new URL(own.url).port));
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map(database => database.close()));
  await proxy.stop();
});

async function open(options: Partial<PostgresOptions> = {}): Promise<Database> {
  const database = await openPostgres({
    url: own.url,
    poolSize: 1,
    maxOverflow: 1,
    log,
    ...options,
  });
  opened.push(database);
  return database;
}

function proxied(): string {
  const url = new URL(own.url);
  url.port = String(proxy.port);
  return url.href;
}

async function backends(application: string): Promise<{ pid: number; query: string }[]> {
  const text = 'select pid, query from pg_stat_activity where application_name = $1';
  return (await admin.query(text, [application])).rows;
}

/** Asks again and again, for as long as the test may take. */
async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await condition())) await new Promise(resolve => setTimeout(resolve, 10));
}

async function kill(application: string): Promise<void> {
  await admin.query(
    'select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1',
    [application],
  );
  await until(async () => (await backends(application)).length === 0);
}

const things = async () => Number((await admin.query('select count(*) from things')).rows[0].count);

describe('prepared statements', () => {
  const prepared = async (database: Database) => {
    const query = sql<{ statement: string }>`select statement from pg_prepared_statements`;
    return (await query.execute(database.db)).rows.map(row => row.statement);
  };
  const thing = (database: Database, id: number) =>
    sql<{ n: number }>`select n from kept where id = ${id}`.execute(database.db);

  beforeEach(async () => {
    await admin.query('drop table if exists kept');
    await admin.query('create table kept (id integer primary key, n integer)');
    await admin.query('insert into kept values (1, 10), (2, 20)');
  });

  it('stay on their connection for other values, also within one write', async () => {
    const database = await open({ maxOverflow: 0 });
    const both = await database.transaction(trx =>
      Promise.all([1, 2].map(id => sql`select n from kept where id = ${id}`.execute(trx))),
    );
    expect(both.map(({ rows }) => rows)).toEqual([[{ n: 10 }], [{ n: 20 }]]);
    expect((await thing(database, 2)).rows).toEqual([{ n: 20 }]);
    expect(await prepared(database)).toEqual(['select n from kept where id = $1']);
  });

  it('outlive a migration that adds a column', async () => {
    const database = await open({ maxOverflow: 0 });
    const all = () => sql`select * from kept where id = ${1}`.execute(database.db);
    for (let i = 0; i < 8; i += 1) await Promise.all([thing(database, 1), all()]);
    await admin.query('alter table kept add column more text');
    expect((await thing(database, 1)).rows).toEqual([{ n: 10 }]);
    expect((await all()).rows).toEqual([{ id: 1, n: 10, more: null }]);
  });

  it('that answer another type are given up with their connection', async () => {
    const database = await open({ maxOverflow: 0 });
    await thing(database, 1);
    await admin.query('alter table kept alter column n type text');
    await expect(thing(database, 1)).rejects.toMatchObject({ code: 'unavailable' });
    expect((await thing(database, 1)).rows).toEqual([{ n: '10' }]);
  });

  it('are not used behind a pooler', async () => {
    const database = await open({ url: proxied(), listenUrl: own.url, maxOverflow: 0 });
    await thing(database, 1);
    expect(await prepared(database)).toEqual([]);
  });
});

describe('the server goes away', () => {
  it('is `unavailable` at the start when no server answers, and shows no credentials', async () => {
    proxy.refuse(true);
    const error = await openPostgres({ url: proxied() }).catch(caught => caught);
    expect(error.code).toBe('unavailable');
    const { password } = new URL(own.url);
    expect(JSON.stringify([error.message, error.detail, error.stack])).not.toContain(password);
  });

  it('gives up connecting to a server that is silent', async () => {
    proxy.silence(true);
    const attempt = openPostgres({ url: proxied(), connectTimeoutMs: 100 });
    await expect(attempt).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('survives idle connections that are killed, and logs that', async () => {
    const database = await open({ applicationName: 'idle' });
    await kill('idle');
    await until(() => warnings.includes('database.connection_lost'));
    await database.ping(5_000);
  });

  it('is `unavailable` in the middle of a statement, and works again afterwards', async () => {
    const database = await open({ applicationName: 'busy' });
    const statement = sql`select pg_sleep(60)`.execute(database.db);
    const failed = expect(statement).rejects.toMatchObject({ code: 'unavailable' });
    await until(async () => (await backends('busy')).some(row => row.query.includes('pg_sleep')));
    await kill('busy');
    await failed;
    await database.ping(5_000);
  });

  it('rolls back a transaction whose connection is lost between two statements', async () => {
    const database = await open({ applicationName: 'between' });
    const attempt = database.transaction(async trx => {
      await sql`insert into things values (1)`.execute(trx);
      await kill('between');
      await sql`insert into things values (2)`.execute(trx);
    });
    await expect(attempt).rejects.toMatchObject({ code: 'unavailable' });
    expect(await things()).toBe(0);
    await database.ping(5_000);
  });

  it('keeps a connection on which a statement among others was refused', async () => {
    const database = await open({ poolSize: 1, maxOverflow: 0 });
    const backend = sql<{ pid: number }>`select pg_backend_pid() as pid`;
    const pids = new Set<number>();
    for (let round = 0; round < 3; round += 1) {
      const refused = database.transaction(async trx => {
        pids.add((await backend.execute(trx)).rows[0]!.pid);
        await Promise.all([sql`select 1/0`.execute(trx), sql`select 1`.execute(trx)]);
      });
      await expect(refused).rejects.toMatchObject({ code: '22012' });
    }
    expect(pids.size).toBe(1);
  });

  it('is `unavailable` when the answer to COMMIT is lost, though it was committed', async () => {
    const database = await open({ url: proxied() });
    const cut = proxy.cutAfter('commit');
    const attempt = database.transaction(async trx => {
      await sql`insert into things values (1)`.execute(trx);
    });
    await expect(attempt).rejects.toMatchObject({
      code: 'unavailable',
      detail: expect.stringContaining('COMMIT'),
    });
    await cut;
    expect(await things()).toBe(1);
    await database.ping(5_000);
  });

  it('sends a prepared statement so that a watching proxy sees its text each time', async () => {
    const database = await open({ url: proxied(), maxOverflow: 0 });
    const look = () => sql`select id from things where id = ${1}`.execute(database.db);
    await look();
    const seen: string[] = [];
    proxy.watch(sent => seen.push(sent.toString('latin1')));
    await look();
    expect(seen.join()).toContain('select id from things');
  });

  it('does not wait for a transaction’s hung statement after the time-out', async () => {
    const database = await open({ url: proxied(), applicationName: 'hung' });
    const attempt = database.transaction(
      async trx => {
        await sql`insert into things values (1)`.execute(trx);
        proxy.silence(true);
        await sql`select pg_sleep(60)`.execute(trx);
      },
      { timeoutMs: 100 },
    );
    await expect(attempt).rejects.toMatchObject({ code: 'unavailable' });
    proxy.silence(false);
    await database.ping(5_000);
    await until(async () => !(await backends('hung')).some(row => row.query.includes('pg_sleep')));
    expect(await things()).toBe(0);
  });

  it('answers a ping in time though the network is silent', async () => {
    const database = await open({ url: proxied() });
    proxy.silence(true);
    await expect(database.ping(50)).rejects.toMatchObject({ code: 'unavailable' });
    proxy.silence(false);
  });
});

describe('limits', () => {
  it('cancels a statement that takes too long', async () => {
    const database = await open({ statementTimeoutMs: 50 });
    const statement = sql`select pg_sleep(60)`.execute(database.db);
    await expect(statement).rejects.toMatchObject({ code: 'unavailable' });
    await database.ping(5_000);
  });

  it('opens the pool’s size and its overflow and no more; a longer wait is refused', async () => {
    const name = 'pool';
    const database = await open({ applicationName: name, connectTimeoutMs: 200 });
    const release = Promise.withResolvers<void>();
    const holders = [1, 2].map(() => database.transaction(() => release.promise));
    await until(async () => (await backends(name)).length === 2);
    await expect(database.ping(5_000)).rejects.toMatchObject({ code: 'unavailable' });
    expect((await backends(name)).length).toBe(2);
    expect(database.connections).toEqual({ inUse: 2, idle: 0, max: 2 });
    release.resolve();
    await Promise.all(holders);
    await database.ping(5_000);
  });

  it('refuses more waiting callers than the limit, and only those', async () => {
    const database = await open({ poolSize: 1, maxOverflow: 0 });
    const release = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const held = database.transaction(() => {
      started.resolve();
      return release.promise;
    });
    await started.promise;
    const ask = () => sql`select 1`.execute(database.db);
    const waiting = Array.from({ length: ACQUIRE_QUEUE_LIMIT }, ask);
    await until(() => database.waiting === ACQUIRE_QUEUE_LIMIT);
    await expect(ask()).rejects.toMatchObject({ code: 'unavailable' });
    release.resolve();
    await held;
    await Promise.all(waiting);
    expect(database.waiting).toBe(0);
  });

  it('rolls back by itself when a caller forgets its transaction', async () => {
    const pool = new pg.Pool({ connectionString: own.url, application_name: 'forgets' });
    const source = new PostgresSource(pool, { statementTimeoutMs: 5_000, names: undefined });
    const session = await source.acquire();
    await session.begin(100);
    await session.query('insert into things values (1)', []);
    await until(async () => (await backends('forgets')).length === 0);
    expect(await things()).toBe(0);
    await expect(session.commit()).rejects.toMatchObject({ code: 'unavailable' });
    session.release();
    await source.close();
  });

  it('leaves no transaction open that a script has begun', async () => {
    const database = await open({ maxOverflow: 0 });
    const insert = (id: number, then: string) =>
      runScript(database.db, `begin; insert into things values (${id}); ${then}`);
    await expect(insert(1, 'select 1/0')).rejects.toMatchObject({ code: '22012' });
    await database.ping(5_000);
    await insert(2, 'select 1');
    await database.ping(5_000);
    expect(await things()).toBe(0);
    await insert(3, 'commit');
    expect(await things()).toBe(1);
  });

  it('closes the socket of a broken session also while the pool ends', async () => {
    const pool = new pg.Pool({ connectionString: proxied(), pipeline: true } as pg.PoolConfig);
    const clients: pg.PoolClient[] = [];
    pool.on('connect', client => clients.push(client));
    const source = new PostgresSource(pool, { statementTimeoutMs: 1, names: undefined });
    const session = await source.acquire();
    proxy.silence(true);
    await expect(session.query('select 1', [])).rejects.toMatchObject({ code: 'unavailable' });
    const closed = source.close();
    session.release();
    const [client] = clients as unknown as { connection: { stream: Socket } }[];
    expect(client!.connection.stream.destroyed).toBe(true);
    await closed;
  });

  it('closes though the server of its subscriptions is silent', async () => {
    const database = await open({ listenUrl: proxied() });
    await database.listen('bell', () => {});
    proxy.silence(true);
    await database.close();
  });

  it('closes while a connection is held, cutting it off in the end', async () => {
    const database = await open();
    const [inserted, closed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const work = async (trx: Trx) => {
      await sql`insert into things values (1)`.execute(trx);
      inserted.resolve();
      await closed.promise;
    };
    const held = database.transaction(work, { timeoutMs: 600_000 });
    const refused = expect(held).rejects.toMatchObject({ code: 'unavailable' });
    await inserted.promise;
    await database.close();
    closed.resolve();
    await refused;
    expect(await things()).toBe(0);
  });

  it('echoes SQL and never parameters', async () => {
    const echoed: string[] = [];
    const database = await open({ echo: text => echoed.push(text) });
    await sql`select ${'hunter2'}::text`.execute(database.db);
    expect(echoed).toContain('select $1::text');
    expect(echoed.join()).not.toContain('hunter2');
  });
});

describe('listen', () => {
  it('listens again after its connection was killed', async () => {
    const database = await open({ applicationName: 'listener', random: () => 0 });
    const heard: string[] = [];
    await database.listen('bell', payload => heard.push(payload));
    await database.listen('other', () => {});
    await admin.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where application_name = 'listener' and query like 'listen%'`,
    );
    await until(() => warnings.includes('database.listener_lost'));
    // Notifications sent without a listener are lost; readers poll. Later ones arrive again.
    await until(async () => {
      await admin.query("notify bell, 'again'");
      return heard.includes('again');
    });
  });

  it('waits longer between attempts while the server refuses, then listens again', async () => {
    const database = await open({ listenUrl: proxied(), random: () => 0 });
    const heard: string[] = [];
    await database.listen('bell', payload => heard.push(payload));
    proxy.refuse(true);
    proxy.cut();
    await until(() => warnings.filter(event => event === 'database.listener_lost').length >= 3);
    proxy.refuse(false);
    await until(async () => {
      await admin.query("notify bell, 'back'");
      return heard.includes('back');
    });
  });

  it('is refused when the server cannot be reached, and leaves nothing behind', async () => {
    const database = await open({ listenUrl: proxied() });
    proxy.refuse(true);
    await expect(database.listen('bell', () => {})).rejects.toMatchObject({ code: 'unavailable' });
    proxy.refuse(false);
    const heard = Promise.withResolvers<string>();
    const subscription = await database.listen('bell', heard.resolve);
    await database.notify('bell', 'hi');
    expect(await heard.promise).toBe('hi');
    await subscription.close();
  });
});

it('uses TLS as the URL asks, and trusts only the authority given', async () => {
  const tls = await createCertificate();
  const server = await startPostgres({ tls });
  try {
    const verified = `${server.url.replace('127.0.0.1', 'localhost')}?sslmode=verify-full`;
    const stranger = await openPostgres({ url: verified }).catch(error => error);
    expect(stranger.code).toBe('unavailable');
    const database = await openPostgres({ url: `${server.url}?sslmode=no-verify` });
    const { rows } = await sql`select ssl from pg_stat_ssl where pid = pg_backend_pid()`.execute(
      database.db,
    );
    expect(rows).toEqual([{ ssl: true }]);
    await database.close();
  } finally {
    await server.stop();
  }
});

it('survives a server that greets and closes in one packet', async () => {
  const message = (type: string, body: Buffer) => {
    const head = Buffer.alloc(5);
    head.write(type);
    head.writeInt32BE(body.length + 4, 1);
    return Buffer.concat([head, body]);
  };
  const goodbye = 'SFATAL\0C57P01\0Mterminating connection due to administrator command\0\0';
  const server = createServer(socket => {
    socket.on('error', () => {});
    socket.once('data', () => {
      const greeting = [message('R', Buffer.alloc(4)), message('Z', Buffer.from('I'))];
      socket.end(Buffer.concat([...greeting, message('E', Buffer.from(goodbye))]));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = `postgresql://someone@127.0.0.1:${port}/none?sslmode=disable`;
  await expect(openPostgres({ url })).rejects.toMatchObject({ code: 'unavailable' });
  server.close();
});

/** The contract of the queue, on each version of PostgreSQL. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openPostgres } from '../database/index.ts';
import { createTestDatabase, forEachPostgres, type TestDatabase } from '../database/testing.ts';
import { type RecordedTelemetry, recordTelemetry } from '../log/testing.ts';
import { createPgBossQueue, type DeadLetterQuery, type Job, type Queue } from './index.ts';

const HANGING_WORKER = fileURLToPath(new URL('./testing/hanging-worker.ts', import.meta.url));

const QUEUES = [{ name: 'agent' }];

/** Collects jobs and lets a test wait for the next one. */
function inbox() {
  const taken: Job[] = [];
  let wake = () => {};
  return {
    taken,
    take(job: Job) {
      taken.push(job);
      wake();
    },
    async until(count: number): Promise<Job[]> {
      while (taken.length < count) {
        await new Promise<void>(resolve => {
          wake = resolve;
        });
      }
      return taken;
    },
  };
}

forEachPostgres((_version, open) => {
  let database: TestDatabase;
  let telemetry: RecordedTelemetry;
  let queue: Queue;
  const stops: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    database = await open();
    telemetry = await recordTelemetry();
    queue = createPgBossQueue({
      database,
      connectionString: database.url,
      telemetry,
      monitorIntervalS: 1,
      retriesMax: 1,
      retryDelayS: 1,
    });
    await queue.start(QUEUES);
  });
  afterAll(async () => {
    await queue?.stop();
    await telemetry?.close();
  });

  const send = (data: Record<string, string>, options?: Parameters<Queue['send']>[3]) =>
    database.transaction(trx => queue.send(trx, 'agent', data, options));
  const agentDepth = async () => (await queue.depth()).find(one => one.name === 'agent')!;
  const stopAll = async () => {
    for (const stop of stops.splice(0)) await stop();
  };

  it('has no job when the transaction is rolled back, one when it commits', async () => {
    const sending = database.transaction(async trx => {
      await queue.send(trx, 'agent', { run_id: 'a' });
      throw new Error('no');
    });
    await expect(sending).rejects.toThrow('no');
    expect(await agentDepth()).toMatchObject({ queued: 0, active: 0, dead: 0 });
    await send({ run_id: 'b' });
    expect(await agentDepth()).toMatchObject({ queued: 1 });
    expect(await telemetry.metric('holdfast_queue_depth')).toBe(1);
  });

  it('delivers soon after the commit, and waits for what is under way when it stops', async () => {
    const { take, until } = inbox();
    const { promise: finished, resolve: finish } = Promise.withResolvers<void>();
    const stop = await queue.work('agent', { concurrency: 2 }, async (job, signal) => {
      take(job);
      if (job.data.run_id === 'slow') {
        await new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }));
        await finished;
      }
    });
    await until(1);
    const sentAt = performance.now();
    await send({ run_id: 'c' });
    await until(2);
    expect(performance.now() - sentAt).toBeLessThan(1_500);
    await send({ run_id: 'slow' });
    const jobs = await until(3);
    expect(jobs.map(job => job.data.run_id)).toEqual(['b', 'c', 'slow']);
    let stopped = false;
    const stopping = stop().then(() => {
      stopped = true;
    });
    await agentDepth();
    expect(stopped).toBe(false);
    finish();
    await stopping;
    expect(await agentDepth()).toMatchObject({ queued: 0, active: 0 });
  });

  it('keeps one waiting job of a key, and starts a later one later', async () => {
    await send({ run_id: 'd' }, { singletonKey: 'd' });
    await send({ run_id: 'd' }, { singletonKey: 'd' });
    await send({ run_id: 'late' }, { startAfterS: 3600 });
    expect(await agentDepth()).toMatchObject({ queued: 2 });
    const { take, until } = inbox();
    stops.push(await queue.work('agent', { concurrency: 1 }, async job => take(job)));
    await send({ run_id: 'e' });
    const jobs = await until(2);
    expect(jobs.map(job => job.data.run_id)).toEqual(['d', 'e']);
    await stopAll();
    expect(await agentDepth()).toMatchObject({ queued: 1 });
  });

  it('tries a failing job again, buries it, and redrives it', { timeout: 120_000 }, async () => {
    const { take, until, taken } = inbox();
    let broken = true;
    stops.push(
      await queue.work('agent', { concurrency: 1 }, async job => {
        take(job);
        if (broken) throw new Error('broken by a secret sentence');
      }),
    );
    await send({ run_id: 'f' }, { singletonKey: 'f' });
    await until(2);
    expect(taken.map(job => job.retries)).toEqual([0, 1]);
    await expect
      .poll(() => queue.deadLetters('agent', { limit: 10 }), { timeout: 10_000 })
      .toHaveLength(1);
    const [letter] = await queue.deadLetters('agent', { limit: 10 });
    expect(letter).toMatchObject({ data: { run_id: 'f' }, failedAt: expect.any(Date) });
    const { rows: kept } = await sql<{ output: string }>`
      select output::text from pgboss.job where output is not null`.execute(database.db);
    expect(kept.map(({ output }) => output).join()).toMatch(/"message": ?"internal"/);
    expect(kept.map(({ output }) => output).join()).not.toContain('a secret sentence');
    expect(telemetry.text()).toContain('broken by a secret sentence');
    const found = async (query: Omit<DeadLetterQuery, 'limit'>) =>
      (await queue.deadLetters('agent', { limit: 10, ...query })).length;
    const naming = (key: string, value: string) => ({ key, among: sql`select ${value}::text` });
    expect(await found({ jobId: letter!.jobId, naming: naming('run_id', 'f') })).toBe(1);
    expect(await found({ jobId: crypto.randomUUID() })).toBe(0);
    expect(await found({ naming: naming('run_id', 'g') })).toBe(0);
    expect(await found({ naming: naming('other', 'f') })).toBe(0);
    expect(await agentDepth()).toMatchObject({ dead: 1 });
    broken = false;
    expect(await queue.redrive('agent', [crypto.randomUUID()])).toBe(0);
    expect(await queue.redrive('agent', [letter!.jobId])).toBe(1);
    await until(3);
    expect(await queue.deadLetters('agent', { limit: 10 })).toEqual([]);
    broken = true;
    await send({ run_id: 'f' }, { singletonKey: 'f' });
    await expect
      .poll(() => queue.deadLetters('agent', { limit: 10 }), { timeout: 10_000 })
      .toHaveLength(1);
    broken = false;
    // One of the same key waits already and will do: the dead one is gone, and was not put back.
    await send({ run_id: 'f' }, { singletonKey: 'f', startAfterS: 3600 });
    const [again] = await queue.deadLetters('agent', { limit: 10 });
    expect(await queue.redrive('agent', [])).toBe(0);
    expect(await queue.redrive('agent', [again!.jobId])).toBe(0);
    expect(await queue.deadLetters('agent', { limit: 10 })).toEqual([]);
    await stopAll();
  });
});

it('starts in two processes at once on a fresh database', async () => {
  const { url, drop } = await createTestDatabase();
  const telemetry = await recordTelemetry();
  const databases = await Promise.all(
    [1, 2].map(() => openPostgres({ url, poolSize: 0, maxOverflow: 2 })),
  );
  const queues = databases.map(database =>
    createPgBossQueue({ database, connectionString: url, telemetry }),
  );
  await Promise.all(queues.map(queue => queue.start(QUEUES)));
  const { take, until } = inbox();
  const stop = await queues[1]!.work('agent', { concurrency: 1 }, async job => take(job));
  await databases[0]!.transaction(trx => queues[0]!.send(trx, 'agent', { run_id: 'x' }));
  expect((await until(1))[0]?.data).toEqual({ run_id: 'x' });
  await stop();
  await Promise.all(queues.map(queue => queue.stop()));
  await Promise.all(databases.map(database => database.close()));
  await telemetry.close();
  await drop();
});

it('gives a job of a killed worker to another one', { timeout: 180_000 }, async () => {
  const { url, drop } = await createTestDatabase();
  const telemetry = await recordTelemetry();
  const database = await openPostgres({ url, poolSize: 0, maxOverflow: 2 });
  const queue = createPgBossQueue({
    database,
    connectionString: url,
    telemetry,
    monitorIntervalS: 1,
  });
  await queue.start(QUEUES);
  const worker = spawn(process.execPath, [HANGING_WORKER, url], { stdio: ['ignore', 'pipe', 2] });
  const exited = once(worker, 'exit');
  await database.transaction(trx => queue.send(trx, 'agent', { run_id: 'x' }));
  const [output] = await once(worker.stdout!, 'data');
  worker.kill('SIGKILL');
  await exited;
  const { take, until } = inbox();
  const stop = await queue.work('agent', { concurrency: 1 }, async job => take(job));
  const [job] = await until(1);
  expect(`took ${job?.id}\n`).toBe(String(output));
  expect(job).toMatchObject({ data: { run_id: 'x' }, retries: 1 });
  await stop();
  await queue.stop();
  await database.close();
  await telemetry.close();
  await drop();
});

it('takes jobs and dead letters that wait under a former name', { timeout: 180_000 }, async () => {
  const { url, drop } = await createTestDatabase();
  const telemetry = await recordTelemetry();
  const database = await openPostgres({ url, poolSize: 0, maxOverflow: 4 });
  const open = () => createPgBossQueue({ database, connectionString: url, telemetry });
  // The earlier revision goes on beside the new one: blue and green.
  const earlier = open();
  await earlier.start([{ name: 'polling' }]);
  const sendOld = (id: string) =>
    database.transaction(trx => earlier.send(trx, 'polling', { push_run_id: id }));
  await sendOld('before');
  await sql`
    insert into pgboss.job (name, data, source_name, singleton_key)
    values ('polling-dead', '{"push_run_id":"dead"}', 'polling', 'dead')`.execute(database.db);
  const queue = open();
  await queue.start([{ name: 'push', formerName: 'polling' }]);
  expect(await queue.depth()).toEqual([{ name: 'push', queued: 1, active: 0, dead: 1 }]);
  const [letter] = await queue.deadLetters('push', { limit: 10 });
  const { take, until } = inbox();
  const stop = await queue.work('push', { concurrency: 1 }, async job => take(job));
  expect((await until(1))[0]?.data).toEqual({ push_run_id: 'before' });
  await sendOld('meanwhile');
  expect((await until(2))[1]?.data).toEqual({ push_run_id: 'meanwhile' });
  await database.transaction(trx => queue.send(trx, 'push', { push_run_id: 'new' }));
  expect((await until(3))[2]?.data).toEqual({ push_run_id: 'new' });
  expect(await queue.redrive('push', [letter!.jobId])).toBe(1);
  expect((await until(4))[3]?.data).toEqual({ push_run_id: 'dead' });
  await stop();
  await queue.stop();
  await earlier.stop();
  await database.close();
  await telemetry.close();
  await drop();
});

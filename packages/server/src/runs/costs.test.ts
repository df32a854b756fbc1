import { sql } from 'kysely';
import { beforeAll, expect, it } from 'vitest';
import { newId } from '../kernel/index.ts';
import { withRunsHost } from './testing/databases.ts';
import type { RunsHost } from './testing/host.ts';

const TASK_OF_NOTHING = { cost_usd: 0, cost_is_upper_bound: false };

withRunsHost(open => {
  let host: RunsHost;
  beforeAll(async () => {
    host = await open();
  });

  /** A call of that run: what was reserved for it and what it was settled at. */
  const call = (run: string, reserved: number, settled: number | null) =>
    sql`insert into reservations
        (id, run_id, project_id, owner, model, reserved_usd, settled_usd, settled_at)
      values (${newId('rsv')}, ${run}, 'default', 'ann', 'm', ${reserved}, ${settled},
        ${settled === null ? null : new Date()})
    `.execute(host.database.db);

  const bounds = async (run: string) => {
    const { body } = await host.send('GET', `/v1/runs/${run}`);
    const task = await host.send('GET', `/v1/tasks/${body.task_id}`);
    const list = await host.send('GET', `/v1/tasks/${body.task_id}/runs`);
    const listed = list.body.data.find(({ id }: { id: string }) => id === run);
    expect(listed.cost_is_upper_bound).toBe(body.cost_is_upper_bound);
    return { run: body.cost_is_upper_bound, task: task.body.cost_is_upper_bound };
  };

  it('is exact while every call reported its usage', async () => {
    const { id } = await host.newTask();
    expect((await host.send('GET', `/v1/tasks/${id}`)).body).toMatchObject(TASK_OF_NOTHING);
    const [run] = await host.newRuns('builtin');
    expect(await bounds(run!)).toEqual({ run: false, task: false });
    await call(run!, 0.5, 0.1);
    // Of a model without a price, and refused by its provider.
    await call(run!, 0, 0);
    await call(run!, 0.5, 0);
    // Under way: not part of the run's cost so far.
    await call(run!, 0.5, null);
    expect(await bounds(run!)).toEqual({ run: false, task: false });
  });

  it('is an upper bound as soon as one call was settled at its reservation', async () => {
    const [exact, bounded] = await host.newRuns('builtin', 'other');
    await call(exact!, 0.5, 0.1);
    await call(bounded!, 0.5, 0.1);
    await call(bounded!, 0.25, 0.25);
    expect(await bounds(exact!)).toEqual({ run: false, task: true });
    expect(await bounds(bounded!)).toEqual({ run: true, task: true });
  });

  const cost = async (run: string) => {
    const { body } = await host.send('GET', `/v1/runs/${run}`);
    const { cost_usd, cost_is_upper_bound, usage } = body;
    return { cost_usd, cost_is_upper_bound, calls: usage.calls };
  };
  const CALL = { model: 'm', inputTokens: 1, outputTokens: 1, cachedTokens: 0, status: 200 };

  it('counts the open calls of a lost worker at their reservation', async () => {
    const { driver } = host.runs;
    const [run] = await host.newRuns('builtin');
    const lost = await host.claim(run!);
    await call(run!, 0.5, 0.125);
    await driver.recordUsage(lost, { ...CALL, costUsd: 0.125 });
    await call(run!, 0.5, 0.25);
    await call(run!, 0.5, null);
    await driver.abandon(lost);
    const resumed = await host.claim(run!);
    const expected = { cost_usd: 0.875, cost_is_upper_bound: true, calls: 3 };
    expect(await cost(run!)).toEqual(expected);
    const { body } = await host.send('GET', `/v1/runs/${run}/events`);
    expect(body.data.at(-1)).toMatchObject({
      type: 'run.resumed',
      data: { calls: 3, lost_calls: 1, cost_usd: 0.875 },
    });
    await call(run!, 0.5, 0.0625);
    await driver.recordUsage(resumed, { ...CALL, costUsd: 0.0625 });
    expect(await cost(run!)).toEqual({ ...expected, cost_usd: 0.9375, calls: 4 });
  });

  it('counts them too where the run is given up', async () => {
    const { driver } = host.runs;
    const [run] = await host.newRuns('builtin');
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      const held = await host.claim(run!);
      await call(run!, 0.5, null);
      await driver.abandon(held);
    }
    expect((await driver.claim(run!)).kind).toBe('ended');
    expect(await cost(run!)).toEqual({ cost_usd: 1.5, cost_is_upper_bound: true, calls: 3 });
    const { body } = await host.send('GET', `/v1/runs/${run}/events`);
    expect(body.data.at(-1).data).toMatchObject({ reason: 'worker_lost', cost_usd: 1.5 });
  });

  it('has no price where no call of a lost worker had one', async () => {
    const [run] = await host.newRuns('builtin');
    const held = await host.claim(run!);
    await call(run!, 0, null);
    await host.runs.driver.abandon(held);
    await host.claim(run!);
    expect(await cost(run!)).toEqual({ cost_usd: null, cost_is_upper_bound: false, calls: 1 });
  });

  it('counts them too where the run is canceled before another claim', async () => {
    const { driver } = host.runs;
    const [run] = await host.newRuns('builtin');
    const held = await host.claim(run!);
    await call(run!, 0.5, 0.25);
    await call(run!, 0.5, null);
    await driver.requeue(held);
    await host.send('POST', `/v1/runs/${run}/cancel`);
    expect(await cost(run!)).toEqual({ cost_usd: 0.75, cost_is_upper_bound: true, calls: 2 });
    const { body } = await host.send('GET', `/v1/runs/${run}/events`);
    expect(body.data.at(-1)).toMatchObject({ type: 'run.canceled', data: { cost_usd: 0.75 } });
  });

  it('counts a call that the worker before began after the run was taken from it', async () => {
    const { driver } = host.runs;
    const [run] = await host.newRuns('builtin');
    await driver.abandon(await host.claim(run!));
    const resumed = await host.claim(run!);
    await call(run!, 0.5, 0.25);
    await driver.finish(resumed, { status: 'succeeded', reason: null, summary: '' });
    expect(await cost(run!)).toEqual({ cost_usd: 0.25, cost_is_upper_bound: false, calls: 1 });
  });
});

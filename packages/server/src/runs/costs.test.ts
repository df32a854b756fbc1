import { sql } from 'kysely';
import { beforeAll, expect, it } from 'vitest';
import { newId } from '../kernel/index.ts';
import { forEachRunsHost } from './testing/databases.ts';
import type { RunsHost } from './testing/host.ts';

const TASK_OF_NOTHING = { cost_usd: 0, cost_is_upper_bound: false };

forEachRunsHost((_name, open) => {
  let host: RunsHost;
  beforeAll(async () => {
    host = await open();
  });

  /** A call of that run: what was reserved for it and what it was settled at. */
  const call = (run: string, reserved: number, settled: number | null) =>
    sql`insert into reservations (id, run_id, project_id, owner, model, reserved_usd, settled_usd)
      values (${newId('rsv')}, ${run}, 'default', 'ann', 'm', ${reserved}, ${settled})
    `.execute(host.database.db);

  const told = async (run: string) => {
    const { body } = await host.send('GET', `/v1/runs/${run}`);
    const task = await host.send('GET', `/v1/tasks/${body.task_id}`);
    const list = await host.send('GET', `/v1/tasks/${body.task_id}/runs`);
    const listed = list.body.data.find(({ id }: { id: string }) => id === run);
    expect(listed.cost_is_upper_bound).toBe(body.cost_is_upper_bound);
    return { run: body.cost_is_upper_bound, task: task.body.cost_is_upper_bound };
  };

  it('is exact while every call said what it used', async () => {
    const { id } = await host.newTask();
    expect((await host.send('GET', `/v1/tasks/${id}`)).body).toMatchObject(TASK_OF_NOTHING);
    const [run] = await host.newRuns('builtin');
    expect(await told(run!)).toEqual({ run: false, task: false });
    await call(run!, 0.5, 0.1);
    // Of a model without a price, and refused by its provider.
    await call(run!, 0, 0);
    await call(run!, 0.5, 0);
    // Under way: not part of the run's cost so far.
    await call(run!, 0.5, null);
    expect(await told(run!)).toEqual({ run: false, task: false });
  });

  it('is an upper bound as soon as one call was settled at its reservation', async () => {
    const [exact, bounded] = await host.newRuns('builtin', 'other');
    await call(exact!, 0.5, 0.1);
    await call(bounded!, 0.5, 0.1);
    await call(bounded!, 0.25, 0.25);
    expect(await told(exact!)).toEqual({ run: false, task: true });
    expect(await told(bounded!)).toEqual({ run: true, task: true });
  });
});

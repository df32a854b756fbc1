import { beforeAll, describe, expect, it } from 'vitest';
import { openTestDatabase } from '../platform/database/testing.ts';
import { QueueLimit } from './queue-limit.ts';
import { forEachRunsHost } from './testing/databases.ts';
import { openRunsHost, type RunsHost } from './testing/host.ts';

const QUEUED_MAX = 4;

describe('the runs of one owner that wait', () => {
  let host: RunsHost;
  let taskId: string;
  beforeAll(async () => {
    const database = await openTestDatabase();
    host = await openRunsHost(database, { queuedMax: QUEUED_MAX });
    taskId = (await host.newTask()).id;
    return async () => {
      await host.close();
      await database.close();
    };
  });
  const start = (agents: string[], caller?: string) =>
    host.send('POST', `/v1/tasks/${taskId}/runs`, { agents }, caller ? { caller } : {});

  it('are admitted exactly up to the limit, also with many requests at once', async () => {
    const [first] = (await start(['builtin'])).body.runs;
    const answers = await Promise.all(Array.from({ length: 6 }, () => start(['builtin'])));
    const statuses = answers.map(({ status }) => status).toSorted();
    expect(statuses).toEqual([202, 202, 202, 429, 429, 429]);
    const refused = await host.request(`/v1/tasks/${taskId}/runs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ agents: ['builtin'] }),
    });
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('30');
    expect(await refused.json()).toMatchObject({ code: 'rate_limited' });
    // An Admin's own are counted by themselves.
    expect((await start(['builtin'], 'Admin:root:default')).status).toBe(202);
    const run = await host.claim(first.id);
    expect((await start(['builtin', 'other'])).status).toBe(429);
    expect((await start(['other'])).status).toBe(202);
    await host.runs.driver.finish(run, { status: 'failed', reason: 'agent_error' });
    expect((await host.send('POST', `/v1/runs/${run.id}/retry`)).status).toBe(429);
  });
});

forEachRunsHost(open => {
  const queuedMax = 20;
  let nowMs = 0;
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs };
  const admitTo =
    (admission: QueueLimit, { database }: RunsHost) =>
    (owner: string) =>
      database.transaction(trx => admission.admit(trx, { projectId: 'default', owner, count: 1 }));
  const fill = async (host: RunsHost) => {
    for (let i = 0; i < queuedMax / 2; i++) await host.newRuns('builtin', 'other');
  };

  it('reuses a count for a tenth of the slots, and for a second', async () => {
    const host = await open();
    const admit = admitTo(new QueueLimit({ queuedMax, clock }), host);
    await admit('ann');
    await fill(host);
    await admit('ann');
    await admit('ann');
    await expect(admit('ann')).rejects.toMatchObject({ code: 'rate_limited' });
    await expect(admit('ann')).rejects.toMatchObject({ code: 'rate_limited' });
    await admit('bob');
    const later = admitTo(new QueueLimit({ queuedMax: 3 * queuedMax, clock }), host);
    await later('ann');
    await fill(host);
    await fill(host);
    await later('ann');
    nowMs += 1_000;
    await expect(later('ann')).rejects.toMatchObject({ code: 'rate_limited' });
  });

  it('counts each time where less than half of the slots is free', async () => {
    const host = await open();
    const admit = admitTo(new QueueLimit({ queuedMax, clock }), host);
    for (let i = 0; i < queuedMax / 4; i++) await host.newRuns('builtin', 'other');
    await admit('ann');
    await fill(host);
    await expect(admit('ann')).rejects.toMatchObject({ code: 'rate_limited' });
  });
});

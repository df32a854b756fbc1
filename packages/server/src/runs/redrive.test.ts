import { sql } from 'kysely';
import { beforeAll, describe, expect, it } from 'vitest';
import { openTestDatabase } from '../platform/database/testing.ts';
import { openRunsHost, type RunsHost } from './testing/host.ts';

const MINE = { caller: 'Admin:root:default' };
const THEIRS = { caller: 'Admin:rita:other' };

describe('dead letters', () => {
  let host: RunsHost;
  let run: string;
  beforeAll(async () => {
    const database = await openTestDatabase();
    host = await openRunsHost(database);
    [run] = (await host.newRuns('builtin')) as [string];
    return async () => {
      await host.close();
      await database.close();
    };
  });

  /** As the queue buries a job; answers its id. */
  async function bury(queue: 'agent' | 'push', data: Record<string, string>): Promise<string> {
    const { rows } = await sql<{ id: string }>`
      insert into pgboss.job (name, data, source_name, singleton_key)
      values (${`${queue}-dead`}, ${JSON.stringify(data)}::jsonb, ${queue}, gen_random_uuid()::text)
      returning id`.execute(host.database.db);
    return rows[0]!.id;
  }
  const redrive = async (as: { caller: string }, body = {}) =>
    (await host.send('POST', '/v1/queue/redrive', body, as)).body.redriven;
  const shown = async (as: { caller: string }) =>
    (await host.send('GET', '/v1/queue', undefined, as)).body.dead_letters;
  const dead = async () => {
    const letters = await Promise.all(
      (['agent', 'push'] as const).map(name => host.queue.deadLetters(name, { limit: 10 })),
    );
    return letters.flat().map(letter => letter.jobId);
  };

  it('of another project are neither shown nor put back, one or all', async () => {
    const ids = [
      await bury('agent', { run_id: run }),
      await bury('push', { push_run_id: run }),
      // About no run that there is.
      await bury('agent', { run_id: 'run_gone' }),
    ];
    expect(await shown(THEIRS)).toEqual([]);
    expect(await redrive(THEIRS)).toBe(0);
    for (const job_id of ids) expect(await redrive(THEIRS, { job_id })).toBe(0);
    expect((await dead()).toSorted()).toEqual(ids.toSorted());
  });

  it('of the own project are put back, one and then the others', async () => {
    const another = await bury('agent', { run_id: run });
    expect(await shown(MINE)).toHaveLength(2);
    expect(await redrive(MINE, { job_id: another })).toBe(1);
    expect(await dead()).not.toContain(another);
    expect(await redrive(MINE)).toBe(2);
    expect(await shown(MINE)).toEqual([]);
    expect(await redrive(MINE)).toBe(0);
    // The one about no run stays for the operator.
    expect(await dead()).toHaveLength(1);
    expect(host.audited).toContainEqual(
      expect.objectContaining({ action: 'queue.redrive', projectId: 'default', target: another }),
    );
  });
});

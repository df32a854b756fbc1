/**
 * Runs that do nothing, from the queue to the end, beside jobs of a bare pg-boss: as many lanes,
 * each with one at a time.
 *
 *   run:  start (row, first event, job) → claim (lease, row, `run.started`) → finish
 *   job:  send → fetch(1) → complete
 */
import { sql } from 'kysely';
import { PgBoss } from 'pg-boss';
import type { Caller } from '../../packages/server/src/work/index.ts';
import type { ServerProcess, Stack } from './stack.ts';

const QUEUE = 'bench-no-op';
const CALLER: Caller = {
  principal: { kind: 'local', id: 'local', name: 'local', projectId: 'default', role: 'Admin' },
  requestId: 'bench',
};

export interface NoOpRound {
  readonly ownPerS: number;
  readonly barePerS: number;
}

export async function measureNoOps(
  stack: Stack,
  server: ServerProcess,
  { rounds, measureMs, lanes }: { rounds: number; measureMs: number; lanes: number },
): Promise<NoOpRound[]> {
  const boss = new PgBoss({
    connectionString: stack.postgres.url,
    schema: 'bare',
    schedule: false,
    max: lanes,
  });
  boss.on('error', error => console.error(error));
  await boss.start();
  await boss.createQueue(QUEUE);
  const tasks: string[] = [];
  for (let i = 0; i < lanes; i++) tasks.push(await stack.newTask(server.url));
  const job = async () => {
    await boss.send(QUEUE, { run_id: 'run_0' });
    const [taken] = await boss.fetch(QUEUE, { batchSize: 1 });
    if (taken !== undefined) await boss.complete(QUEUE, taken.id);
  };
  const run = (lane: number) => runOnce(stack, tasks[lane]!);
  const results: NoOpRound[] = [];
  try {
    await perSecond(job, lanes, measureMs);
    // Statistics of an empty queue would have the peer's `fetch` planned badly for a minute.
    await sql`analyze bare.job_common`.execute(stack.platform.database.db);
    for (let round = 0; round < rounds; round++) {
      const barePerS = await perSecond(job, lanes, measureMs);
      const ownPerS = await perSecond(run, lanes, measureMs);
      results.push({ ownPerS, barePerS });
      console.log(`no-op ${round + 1}: ${(ownPerS / barePerS).toFixed(3)}`);
    }
  } finally {
    await boss.stop({ graceful: true, timeout: 2_000 });
  }
  return results;
}

async function runOnce({ runs }: Stack, task: string): Promise<void> {
  const { driver } = runs;
  const started = await runs.runs.start(CALLER, task, { agents: ['builtin'] });
  const claimed = await driver.claim(started.runs[0]!.id);
  if (claimed.kind !== 'claimed') throw new Error(`the run is ${claimed.kind}`);
  await driver.finish(claimed.run, { status: 'succeeded', reason: null });
}

async function perSecond(
  work: (lane: number) => Promise<void>,
  lanes: number,
  forMs: number,
): Promise<number> {
  const beganAt = performance.now();
  let done = 0;
  const lane = async (number: number) => {
    while (performance.now() - beganAt < forMs) {
      await work(number);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)));
  return (done * 1000) / (performance.now() - beganAt);
}

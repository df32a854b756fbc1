/**
 * From the request for a run to `run.started` at a subscriber that was opened on the answer, beside
 * the way of a bare pg-boss from `send` to its handler, woken by NOTIFY.
 */
import { once } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import type { EventEnvelope, Run } from '@holdfast/protocol';
import { PgBoss } from 'pg-boss';
import { quantile } from '../lib/stats.ts';
import { api, type Stack } from './stack.ts';

/** Neither side is measured before its code has run that often. */
export const WARM_UP = 20;
const WAKES = 20;
/** Before each, with the one before it over and its processes gone. */
const GAP_MS = 250;
const QUEUE = 'bench-wake';

const agent = new http.Agent({ keepAlive: true });

/** Milliseconds of one start. */
interface StartTimes {
  readonly total: number;
  /** To the answer 202. */
  readonly answered: number;
  /** From the row to the claim: the wake-up and the claim itself. */
  readonly claimed: number;
  /** From the claim to `workspace.ready`. */
  readonly prepared: number;
}

export interface StartRound {
  readonly starts: readonly StartTimes[];
  readonly wakesMs: readonly number[];
}

export async function measureStarts(
  stack: Stack,
  { rounds, starts }: { rounds: number; starts: number },
): Promise<StartRound[]> {
  const boss = new PgBoss({
    connectionString: stack.postgres.url,
    schema: 'bare',
    useListenNotify: true,
    schedule: false,
  });
  boss.on('error', error => console.error(error));
  await boss.start();
  await boss.createQueue(QUEUE, { notify: true });
  const server = await stack.server('gateway,api,worker');
  const results: StartRound[] = [];
  try {
    const task = await stack.newTask(server.url);
    for (let i = 0; i < WARM_UP; i++) await startOnce(server.url, task);
    await measureWakes(boss, WARM_UP);
    for (let round = 0; round < rounds; round++) {
      const times: StartTimes[] = [];
      for (let i = 0; i < starts; i++) times.push(await startOnce(server.url, task));
      const result = { starts: times, wakesMs: await measureWakes(boss, WAKES) };
      results.push(result);
      const started = median(times.map(one => one.total)).toFixed(0);
      console.log(
        `start ${round + 1}: ${started} ms, wake ${median(result.wakesMs).toFixed(1)} ms`,
      );
    }
  } finally {
    await server.stop();
    await boss.stop({ graceful: true, timeout: 2_000 });
  }
  return results;
}

async function startOnce(url: string, task: string): Promise<StartTimes> {
  await delay(GAP_MS);
  const beganAt = performance.now();
  const answer = await request(`${url}/v1/tasks/${task}/runs`, { agents: ['builtin'] });
  const started = JSON.parse(await text(answer)) as { runs: [{ id: string }] };
  const { id } = started.runs[0];
  const answeredAt = performance.now();
  let startedAt = 0;
  let ready: EventEnvelope | undefined;
  let created: EventEnvelope | undefined;
  await follow(`${url}/v1/runs/${id}/stream`, event => {
    if (event.type === 'run.created') created = event;
    if (event.type === 'run.started') startedAt = performance.now();
    if (event.type !== 'workspace.ready') return;
    ready = event;
    // The agent's work is not measured.
    void api(url, `/v1/runs/${id}/cancel`, {});
  });
  if (ready === undefined || created === undefined) throw new Error('the run did not start');
  const run = await api<Run>(url, `/v1/runs/${id}`);
  const claimedAtMs = Date.parse(run.started_at ?? '');
  return {
    total: startedAt - beganAt,
    answered: answeredAt - beganAt,
    claimed: claimedAtMs - Date.parse(created.at),
    prepared: Date.parse(ready.at) - claimedAtMs,
  };
}

async function follow(url: string, onEvent: (event: EventEnvelope) => void): Promise<void> {
  let rest = '';
  for await (const chunk of await request(url)) {
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop()!;
    for (const block of blocks) {
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (data !== undefined) onEvent(JSON.parse(data) as EventEnvelope);
    }
  }
}

/** Of Node's own HTTP client, which costs less than `fetch` beside what is measured. */
async function request(url: string, body?: object): Promise<IncomingMessage> {
  const sent = http.request(url, {
    agent,
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'content-type': 'application/json' },
  });
  sent.end(body && JSON.stringify(body));
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return response.setEncoding('utf8');
}

async function measureWakes(boss: PgBoss, wakes: number): Promise<number[]> {
  const times: number[] = [];
  let woken = () => {};
  const id = await boss.work(QUEUE, { batchSize: 1, localConcurrency: 2 }, async () => woken());
  for (let i = 0; i <= wakes; i++) {
    await delay(GAP_MS);
    const { promise, resolve } = Promise.withResolvers<void>();
    woken = resolve;
    const sentAt = performance.now();
    await boss.send(QUEUE, { run_id: 'run_0' });
    await promise;
    // The first one connects.
    if (i > 0) times.push(performance.now() - sentAt);
  }
  await boss.offWork(QUEUE, { id, wait: true });
  return times;
}

function median(values: readonly number[]): number {
  return quantile(
    [...values].sort((a, b) => a - b),
    0.5,
  );
}

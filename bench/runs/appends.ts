/**
 * Durable appends by one driver with one live subscriber on a server process, beside bare INSERTs
 * of the same rows, as many in one statement, each with a NOTIFY, on the same client and database.
 */
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { newUuidV7 } from '../../packages/server/src/kernel/index.ts';
import type { NewEvent } from '../../packages/server/src/platform/log/index.ts';
import type { ClaimedRun } from '../../packages/server/src/runs/index.ts';
import { quantile } from '../lib/stats.ts';
import { newRun, type ServerProcess, type Stack } from './stack.ts';

export const BATCH = 50;
const TEXT = 'x'.repeat(200);
/** What sealing makes of it. */
const SEALED_BYTES = 250;
const EVENT: NewEvent = {
  type: 'agent.output',
  data: { stream: 'stdout' },
  private: { text: TEXT },
};

export interface AppendRound {
  readonly ownPerS: number;
  readonly barePerS: number;
  /** From the call of the append to the event at the subscriber. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export async function measureAppends(
  stack: Stack,
  server: ServerProcess,
  { rounds, measureMs }: { rounds: number; measureMs: number },
): Promise<AppendRound[]> {
  const { database } = stack.platform;
  await sql`create table bench_events (like events including all)`.execute(database.db);
  const listener = await database.listen('bench', () => {});
  const task = await stack.newTask(server.url);
  const results: AppendRound[] = [];
  for (let round = 0; round < rounds; round++) {
    const run = await stack.claim(await newRun(server.url, task));
    const own = await appendOwn(stack, server, { run, measureMs });
    const barePerS = await appendBare(stack, `bench_${round}`, measureMs);
    await stack.runs.driver.finish(run, { status: 'succeeded', reason: null });
    results.push({ ...own, barePerS });
    const ratio = (own.ownPerS / barePerS).toFixed(2);
    console.log(`appends ${round + 1}: ${ratio}, p99 ${own.p99Ms.toFixed(1)} ms`);
  }
  await listener.close();
  return results;
}

async function appendOwn(
  stack: Stack,
  server: ServerProcess,
  { run, measureMs }: { run: ClaimedRun; measureMs: number },
): Promise<Omit<AppendRound, 'barePerS'>> {
  const sentAt = new Map<number, number>();
  const latencies: number[] = [];
  const subscriber = new Subscriber(`${server.url}/v1/runs/${run.id}/stream`, seq => {
    const at = sentAt.get(seq);
    if (at !== undefined) latencies.push(performance.now() - at);
  });
  await subscriber.reached(1);
  const events = Array.from({ length: BATCH }, () => EVENT);
  const beganAt = performance.now();
  let last = 0;
  let count = 0;
  // The next number is known: no other writer uses this run.
  let next = (await stack.platform.log.subject(stack.platform.database.db, run.id))!.lastSeq + 1;
  while (performance.now() - beganAt < measureMs) {
    const calledAt = performance.now();
    for (let i = 0; i < BATCH; i++) sentAt.set(next + i, calledAt);
    const numbers = await stack.platform.log.appendNow({
      subject: run.id,
      actor: 'bench',
      appendId: newUuidV7(),
      events,
      fence: run.lease.fence,
      attempt: run.attempt,
    });
    next += BATCH;
    count += BATCH;
    last = numbers.at(-1)!;
  }
  const ownPerS = (count * 1000) / (performance.now() - beganAt);
  await subscriber.reached(last);
  subscriber.close();
  latencies.sort((a, b) => a - b);
  return { ownPerS, p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99) };
}

async function appendBare(stack: Stack, subject: string, measureMs: number): Promise<number> {
  const { database } = stack.platform;
  const sealed = randomBytes(SEALED_BYTES);
  const data = JSON.stringify(EVENT.data);
  const beganAt = performance.now();
  let count = 0;
  while (performance.now() - beganAt < measureMs) {
    const appendId = newUuidV7();
    const rows = Array.from({ length: BATCH }, (_, ordinal) => {
      const values = [subject, count + ordinal + 1, appendId, ordinal, 'agent.output', 1];
      const rest = ['bench', 1, data, 'key', sealed];
      return sql`(${sql.join([...values, ...rest])})`;
    });
    await database.transaction(async trx => {
      await sql`insert into bench_events (subject, seq, append_id, ordinal, type, v,
        actor, attempt, data, private_key_id, private_data) values ${sql.join(rows)}`.execute(trx);
      await sql`select pg_notify('bench', ${subject})`.execute(trx);
    });
    count += BATCH;
  }
  return (count * 1000) / (performance.now() - beganAt);
}

/** Reads a stream and passes on each number, as cheaply as it can. */
class Subscriber {
  readonly #stop = new AbortController();
  readonly #onNumber: (seq: number) => void;
  #last = 0;
  #wake = () => {};

  constructor(url: string, onNumber: (seq: number) => void) {
    this.#onNumber = onNumber;
    void this.#read(url).catch(error => {
      if (!this.#stop.signal.aborted) console.error(error);
    });
  }

  async reached(seq: number): Promise<void> {
    while (this.#last < seq) {
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.#stop.abort();
  }

  async #read(url: string): Promise<void> {
    const response = await fetch(url, { signal: this.#stop.signal });
    let rest = '';
    for await (const chunk of response.body!) {
      const text = rest + Buffer.from(chunk).toString('latin1');
      const end = text.lastIndexOf('\n\n') + 2;
      rest = text.slice(end);
      for (const [, seq] of text.slice(0, end).matchAll(/^id: (\d+)$/gm)) {
        this.#last = Number(seq);
        this.#onNumber(this.#last);
      }
      this.#wake();
    }
  }
}

/** Looks at what the runs left: in the database, in memory, on disk. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { type Check, checkOf, judgeRuns } from './judge.ts';
import type { JudgedRun, LoggedEvent } from './judged-run.ts';
import type { Load, LoadedRun } from './load.ts';
import { takenBy } from './pushes.ts';
import type { ProofStack } from './stack.ts';

const SETTLE_MS = 90_000;
const POLL_MS = 500;

export async function checkRuns(stack: ProofStack, load: Load): Promise<Check[]> {
  await settlePushes(stack, load);
  const judged: JudgedRun[] = [];
  for (const run of load.runs) judged.push(await readRun(stack, run, load.remote));
  const patches = await patchFaults(stack, load, judged);
  return [
    ...judgeRuns(judged),
    checkOf('patches apply', patches, fault => [fault], `${judged.length} runs`),
    await checkJobs(stack),
  ];
}

/** Waits until every intended push has an end; a later check finds one without. */
async function settlePushes({ database }: ProofStack, { runs }: Load): Promise<void> {
  const ids = runs.filter(({ pushed }) => pushed).map(({ id }) => id);
  await eventuallyNone(async () => {
    const { rows } = await sql<{ subject: string }>`
      select subject from events where subject = any(${ids}::text[]) and type like 'push.%'
      group by subject having count(*) % 2 = 1
    `.execute(database.db);
    return rows.map(({ subject }) => subject);
  });
}

async function readRun(stack: ProofStack, run: LoadedRun, remote: string): Promise<JudgedRun> {
  const { database } = stack;
  const { rows } = await sql<JudgedRun['row']>`
    select r.id, r.status, r.reason, r.attempt, r.insertions, s.fence::int as fence,
      (extract(epoch from r.finished_at) * 1000)::float8 as "finishedAtMs"
    from runs r join subjects s using (id) where id = ${run.id}
  `.execute(database.db);
  const { rows: log } = await sql<LoggedEvent>`
    select seq::int as seq, type, attempt, data from events where subject = ${run.id} order by seq
  `.execute(database.db);
  const failed = log.find(({ type }) => type === 'run.failed');
  if (failed) console.log(`${run.id} failed: ${await lastWords(stack, run, failed)}`);
  const seen = run.subscribers.map(subscriber => subscriber.seen);
  const pushes = { asked: run.pushed, taken: takenBy(remote, run.id) };
  return { row: rows[0]!, steps: run.steps, log, seen, pushes };
}

/** The private part of the ending, as its owner reads it. */
async function lastWords(
  { urls }: ProofStack,
  { id }: LoadedRun,
  { seq }: LoggedEvent,
): Promise<string> {
  const response = await fetch(`${urls[0]}/v1/runs/${id}/events?after=${seq - 1}&limit=1`);
  return response.text();
}

async function patchFaults(
  { urls }: ProofStack,
  { repository }: Load,
  runs: readonly JudgedRun[],
): Promise<string[]> {
  const faults: string[] = [];
  for (const { row } of runs) {
    if (row.status !== 'succeeded') continue;
    const response = await fetch(`${urls[0]}/v1/runs/${row.id}/patch`);
    const input = await response.text();
    const options = { cwd: repository, input, encoding: 'utf8' } as const;
    const applied = response.ok && spawnSync('git', ['apply', '--check', '-'], options);
    if (applied === false) faults.push(`${row.id}: ${response.status} ${input.slice(0, 200)}`);
    else if (applied.status !== 0) faults.push(`${row.id}: ${applied.stderr.slice(0, 200)}`);
  }
  return faults;
}

/** Jobs are only wake-ups: none for a run that is not there, and none open for an ended one. */
async function checkJobs({ database }: ProofStack): Promise<Check> {
  const look = async () => {
    const { rows } = await sql<{ id: string; state: string; run: string | null }>`
      select job.id, job.state::text as state, job.data ->> 'run_id' as run
      from pgboss.job as job left join runs on runs.id = job.data ->> 'run_id'
      where job.name = 'agent' and (runs.id is null or
        (job.state in ('created', 'retry', 'active') and runs.finished_at is not null))
    `.execute(database.db);
    return rows.map(({ id, state, run }) => `${id} of ${run}: ${state}`);
  };
  const left = await eventuallyNone(look);
  return checkOf('no job without a run', left, fault => [fault], `${left.length} left`);
}

/** After the workers started anew: what dead ones left is tidied up. */
export async function checkWorkspaces({ dir, workers }: ProofStack): Promise<Check> {
  const look = async () =>
    workers.flatMap(({ name }) => {
      const folder = join(dir, name, 'runs/workspaces/runs');
      return readdirSync(folder).map(run => `${name}/${run}`);
    });
  const left = await eventuallyNone(look);
  return checkOf('no workspace is left', left, fault => [fault], `${left.length} left`);
}

/** After the workers stopped. A process in a sandbox is known by the folders mounted in it. */
export async function checkProcesses({ dir, workers }: ProofStack): Promise<Check> {
  const folders = workers.map(({ name }) => `${dir.split('/').at(-1)}/${name}/`);
  const look = async () =>
    readdirSync('/proc')
      .filter(name => /^\d+$/.test(name))
      .flatMap(pid => {
        const said = `${read(pid, 'cmdline')}\n${read(pid, 'mountinfo')}`;
        if (!folders.some(folder => said.includes(folder))) return [];
        return [`${pid} ${read(pid, 'cmdline').replaceAll('\0', ' ').slice(0, 80)}`];
      });
  const left = await eventuallyNone(look);
  return checkOf('no process is left', left, fault => [fault], `${left.length} left`);
}

function read(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

/** What is still there when the time is over. */
async function eventuallyNone(look: () => Promise<string[]>): Promise<string[]> {
  const deadlineMs = performance.now() + SETTLE_MS;
  for (;;) {
    const left = await look();
    if (left.length === 0 || performance.now() > deadlineMs) return left;
    await delay(POLL_MS);
  }
}

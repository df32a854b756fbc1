/** What must hold for a log and its subscribers. No I/O. */
import { isRunEnding } from '@holdfast/protocol';
import type { JudgedRun, LoggedEvent } from './judged-run.ts';
import { pushFaults } from './pushes.ts';

export const CHECK_NAMES = [
  'every run ended as it should',
  'logs are 1…N, nothing twice',
  'every subscriber saw it all, once',
  'attempts and fences rise',
  'worker_lost after three losses alone',
  'no push happened twice',
  'patches apply',
  'no job without a run',
  'no workspace is left',
  'no process is left',
  'every fault and point came',
  'nothing unexpected happened',
] as const;
export type CheckName = (typeof CHECK_NAMES)[number];

export interface Check {
  readonly name: CheckName;
  readonly passed: boolean;
  readonly detail: string;
}

/** So many attempts in a row may be lost. */
const LOST_MAX = 3;
/** An ending reaches every subscriber by then, also when its ring and its connection were lost. */
export const LATE_MAX_MS = 30_000;
const EXAMPLES = 5;
/** With fewer, chance may leave one out. */
const ALL_POINTS_KILLS = 100;

export function judgeRuns(runs: readonly JudgedRun[]): Check[] {
  const events = runs.reduce((total, { log }) => total + log.length, 0);
  const attempts = runs.reduce((total, { row }) => total + row.attempt, 0);
  const seen = runs.reduce((total, run) => total + run.seen.length, 0);
  const lost = runs.filter(({ row }) => row.reason === 'worker_lost').length;
  const pushes = runs.reduce((total, run) => total + run.pushes.taken.length, 0);
  return [
    checkOf('every run ended as it should', runs, endFaults, `${runs.length} runs`),
    checkOf('logs are 1…N, nothing twice', runs, logFaults, `${events} events`),
    checkOf('every subscriber saw it all, once', runs, seenFaults, `${seen} subscribers`),
    checkOf('attempts and fences rise', runs, attemptFaults, `${attempts} attempts`),
    checkOf('worker_lost after three losses alone', runs, lossFaults, `${lost} runs given up`),
    checkOf('no push happened twice', runs, pushFaults, `${pushes} pushes`),
  ];
}

/** A point that never came is one that nothing looks at any more, as after a change of a query. */
export function checkPoints(
  wanted: readonly string[],
  came: ReadonlySet<string>,
  kills: number,
): Check {
  const missing = wanted.filter(name => !came.has(name));
  const faults = kills < ALL_POINTS_KILLS ? [] : missing;
  const figures = `${wanted.length - missing.length} of ${wanted.length}`;
  return checkOf('every fault and point came', faults, name => [name], figures);
}

export function checkOf<T>(
  name: CheckName,
  items: readonly T[],
  faultsOf: (item: T) => readonly string[],
  figures: string,
): Check {
  const faults = items.flatMap(faultsOf);
  if (faults.length === 0) return { name, passed: true, detail: figures };
  const examples = faults.slice(0, EXAMPLES).join('; ');
  return { name, passed: false, detail: `${figures}; ${faults.length} faults: ${examples}` };
}

/** Succeeded with all its work, or given up; whether that was right has a check of its own. */
export function endFaults({ row, steps }: JudgedRun): string[] {
  if (row.status === 'succeeded') {
    // The log marks a command that was cut short with its worker; the model does not repeat it.
    const lines = row.insertions;
    return lines >= steps - (row.attempt - 1)
      ? []
      : [`${row.id}: ${lines} lines after ${steps} steps`];
  }
  if (row.status === 'failed' && row.reason === 'worker_lost') return [];
  return [`${row.id}: ${row.status} ${row.reason ?? ''}`];
}

/** A run is given up when as many attempts as may be were lost, and not a single one sooner. */
export function lossFaults({ row, log }: JudgedRun): string[] {
  const faults: string[] = [];
  for (let attempt = 2; attempt <= row.attempt; attempt += 1) {
    const lost = lostBefore(log, attempt);
    if (lost >= LOST_MAX) faults.push(`attempt ${attempt} began after ${lost} were lost`);
  }
  const lost = lostBefore(log, row.attempt + 1);
  if (row.reason === 'worker_lost' && lost < LOST_MAX) {
    faults.push(`given up after ${lost} lost of ${row.attempt}`);
  }
  return faults.map(fault => `${row.id}: ${fault}`);
}

/**
 * How many attempts before this one were lost since the last checkpoint, the one that saved it
 * included. An attempt that gave the run back was not lost; one that wrote nothing was.
 */
function lostBefore(log: readonly LoggedEvent[], attempt: number): number {
  const having = (wanted: string) =>
    new Set(log.filter(({ type }) => type === wanted).map(event => event.attempt));
  const saved = having('checkpoint.saved');
  const givenBack = having('run.requeued');
  let lost = 0;
  for (let number = attempt - 1; number >= 1; number -= 1) {
    if (!givenBack.has(number)) lost += 1;
    if (saved.has(number)) break;
  }
  return lost;
}

/** What a run's stream shows: its log as far as the ending. A push may follow. */
function untilEnding(log: readonly LoggedEvent[]): readonly LoggedEvent[] {
  const ending = log.findIndex(({ type }) => isRunEnding(type));
  return ending < 0 ? log : log.slice(0, ending + 1);
}

export function logFaults({ row, log }: JudgedRun): string[] {
  const faults: string[] = [];
  if (log.some(({ seq }, index) => seq !== index + 1)) faults.push('the log has a hole');
  const endings = log.filter(({ type }) => isRunEnding(type));
  const shown = untilEnding(log);
  const isOver = log.slice(shown.length).every(({ type }) => type.startsWith('push.'));
  if (endings.length !== 1 || !isOver) {
    faults.push(`${endings.length} endings, and the log ends with ${log.at(-1)?.type}`);
  }
  if (log.some(({ type }) => type === 'journal.dropped')) faults.push('the journal dropped events');
  const once = new Set<string>();
  for (const event of log) {
    const key = onceKey(event);
    if (key === undefined) continue;
    if (once.has(key)) faults.push(`twice: ${key}`);
    once.add(key);
  }
  return faults.map(fault => `${row.id}: ${fault}`);
}

/** What can happen only once, by name; undefined for what may happen again. */
function onceKey({ type, attempt, data }: LoggedEvent): string | undefined {
  switch (type) {
    case 'run.created':
    case 'run.started':
      return type;
    case 'run.resumed':
    case 'patch.created':
    case 'run.requeued':
    case 'agent.session':
      return `${type} of attempt ${attempt}`;
    case 'tool.started':
    case 'tool.finished':
      return `${type} ${data.call_id} of attempt ${attempt}`;
    case 'checkpoint.saved':
      return `${type} ${data.number}`;
    default:
      return undefined;
  }
}

export function seenFaults({ row, log, seen }: JudgedRun): string[] {
  const shown = untilEnding(log);
  return seen.flatMap(({ last, ending, endedAtMs, faults }) => {
    const found = [...faults];
    const lateMs = endedAtMs - (row.finishedAtMs ?? endedAtMs);
    if (lateMs > LATE_MAX_MS) found.push(`the ending came ${Math.round(lateMs)} ms late`);
    if (ending !== shown.at(-1)?.type) found.push(`ended with ${ending} at ${last}`);
    if (last !== shown.length) found.push(`saw ${last} of ${shown.length} events`);
    return found.map(fault => `${row.id}: ${fault}`);
  });
}

export function attemptFaults({ row, log }: JudgedRun): string[] {
  const faults: string[] = [];
  let highest = 0;
  for (const { seq, attempt } of log) {
    if (attempt === null) continue;
    if (attempt < highest) faults.push(`attempt ${attempt} wrote ${seq} after ${highest} began`);
    highest = Math.max(highest, attempt);
  }
  if (highest > row.attempt)
    faults.push(`attempt ${highest} in the log, ${row.attempt} in the row`);
  if (row.fence < row.attempt) faults.push(`fence ${row.fence} after ${row.attempt} attempts`);
  return faults.map(fault => `${row.id}: ${fault}`);
}

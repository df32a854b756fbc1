/** The remote that runs are pushed to, and what may have happened there. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JudgedRun, LoggedEvent } from './judged-run.ts';

/** A bare copy of a repository that notes every change of its branches. */
export function makeRemote(repository: string, remote: string): void {
  execFileSync('git', ['clone', '--quiet', '--bare', '--no-local', repository, remote]);
  execFileSync('git', ['config', 'core.logAllRefUpdates', 'always'], { cwd: remote });
}

/** What the remote noted of a run's branch: `old new who when\tpush`, a line for each change. */
export function takenBy(remote: string, runId: string): string[] {
  const file = join(remote, 'logs/refs/heads/holdfast', runId);
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return lines.map(line => line.split(' ')[1] ?? '');
}

/** However often it was asked for and begun: the branch was given to the remote once. */
export function pushFaults({ row, log, pushes }: JudgedRun): string[] {
  const { asked, taken } = pushes;
  const ends = log.filter(({ type }) => type === 'push.finished');
  const faults: string[] = [];
  if (taken.length !== (asked ? 1 : 0)) faults.push(`the remote took ${taken.length} pushes`);
  if (ends.some(({ data }) => data.outcome === 'failed')) faults.push('a push failed');
  if (ends.some(({ data }) => data.commit !== taken[0])) faults.push('another commit was pushed');
  if (!isPaired(log) || ends.length > 0 !== asked) faults.push('intents and ends do not match');
  return faults.map(fault => `${row.id}: ${fault}`);
}

/** No push ends that was not intended before, none is intended while one is, and all have ended. */
function isPaired(log: readonly LoggedEvent[]): boolean {
  const types = log.map(({ type }) => type).filter(type => type.startsWith('push.'));
  const wanted = types.map((_, index) => (index % 2 === 0 ? 'push.intended' : 'push.finished'));
  return types.length % 2 === 0 && types.every((type, index) => type === wanted[index]);
}

/** CPU time and memory of processes from Linux, children included. */
import { readdirSync, readFileSync } from 'node:fs';

/** `pid` and all its descendants that are alive. */
export function processTree(pid: number): number[] {
  const pids = [pid];
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const children = readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim();
    for (const child of children.split(' ').filter(Boolean)) pids.push(...processTree(+child));
  }
  return pids;
}

/** CPU time of all threads of these processes, from the scheduler, in nanoseconds. */
export function cpuNs(pids: readonly number[]): number {
  let total = 0;
  for (const pid of pids) {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      total += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
    }
  }
  return total;
}

/** Resident memory of these processes, in bytes. */
export function memoryBytes(pids: readonly number[]): number {
  return sum(pids, 'Rss');
}

/** The same with each shared page divided among the processes that share it. */
export function proportionalBytes(pids: readonly number[]): number {
  return sum(pids, 'Pss');
}

function sum(pids: readonly number[], figure: 'Rss' | 'Pss'): number {
  const pattern = new RegExp(`^${figure}:\\s+(\\d+) kB`, 'm');
  let total = 0;
  for (const pid of pids) {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    total += Number(pattern.exec(rollup)![1]) * 1024;
  }
  return total;
}

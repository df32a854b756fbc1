import { readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** Between what the server noted and what the kernel counts; both are whole seconds. */
const START_TOLERANCE_S = 5;
/** Linux's unit of start times towards programs, on every platform that Node runs on. */
const TICKS_PER_S = 100;

/**
 * Signals the server of `clusterDir` that `postmaster.pid` names, if that process is surely it: it
 * works in that folder and started when the file says. Answers whether it did.
 */
export function stopOrphan(clusterDir: string, signal: NodeJS.Signals): boolean {
  try {
    const lines = readFileSync(join(clusterDir, 'postmaster.pid'), 'utf8').split('\n');
    const [pid, startedAtS] = [Number(lines[0]), Number(lines[2])];
    if (!Number.isInteger(pid) || pid <= 1) return false;
    if (readlinkSync(`/proc/${pid}/cwd`) !== clusterDir) return false;
    if (Math.abs(startTimeS(pid) - startedAtS) > START_TOLERANCE_S) return false;
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** When a process started, in seconds since the epoch. */
function startTimeS(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name, in parentheses, may hold spaces; the start time is the 20th field behind it.
  const ticks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  const bootS = Number(/^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1]);
  return bootS + ticks / TICKS_PER_S;
}

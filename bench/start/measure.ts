/** One start of a checkout, and what its processes need until it has been idle for a while. */
import { setTimeout as delay } from 'node:timers/promises';
import { LocalStart } from '../../tests/e2e/harness/local.ts';
import { cpuNs, memoryBytes, proportionalBytes } from '../lib/proc.ts';

const SAMPLE_MS = 200;
const NS_PER_MS = 1e6;

export const GROUPS = ['server', 'database', 'worker', 'launcher', 'simulator'] as const;
export type Group = (typeof GROUPS)[number];
type PerGroup = Readonly<Record<Group, number>>;

interface Memory {
  readonly rssBytes: PerGroup;
  readonly pssBytes: PerGroup;
}

export interface Start {
  readonly kind: 'first' | 'later';
  readonly readyMs: number;
  /** CPU time until then, which other work on the machine changes less. */
  readonly readyCpuMs: PerGroup;
  readonly idle: Memory;
  /** The most of each group, and of server and database together, from the start on. */
  readonly peak: Memory;
  readonly peakTogetherBytes: number;
  /** Of one core, while idle. */
  readonly idleCpu: PerGroup;
}

interface Measuring {
  readonly kind: Start['kind'];
  readonly dataDir: string;
  readonly idleMs: number;
}

export async function measure(root: string, { kind, dataDir, idleMs }: Measuring): Promise<Start> {
  const startMs = performance.now();
  const local = new LocalStart({ root, dataDir });
  const peaks = watchPeaks(local);
  try {
    await local.url();
    const readyMs = performance.now() - startMs;
    const readyCpuNs = perGroup(local, cpuNs);
    const readyCpuMs = mapGroups(group => readyCpuNs[group] / NS_PER_MS);
    await delay(idleMs);
    const idle = memoryOf(local);
    const before = perGroup(local, cpuNs);
    await delay(idleMs);
    const after = perGroup(local, cpuNs);
    const idleCpu = mapGroups(group => (after[group] - before[group]) / NS_PER_MS / idleMs);
    return { kind, readyMs, readyCpuMs, idle, ...peaks.stop(), idleCpu };
  } finally {
    peaks.stop();
    await local.stop();
  }
}

function watchPeaks(local: LocalStart) {
  let peak: Memory = { rssBytes: mapGroups(() => 0), pssBytes: mapGroups(() => 0) };
  let peakTogetherBytes = 0;
  const timer = setInterval(() => {
    const now = memoryOf(local);
    peakTogetherBytes = Math.max(peakTogetherBytes, togetherBytes(now));
    const most = (figure: keyof Memory) =>
      mapGroups(group => Math.max(peak[figure][group], now[figure][group]));
    peak = { rssBytes: most('rssBytes'), pssBytes: most('pssBytes') };
  }, SAMPLE_MS);
  return {
    stop() {
      clearInterval(timer);
      return { peak, peakTogetherBytes };
    },
  };
}

/** Of server and database: what the first would need alone, and what the second needs. */
export function togetherBytes({ rssBytes, pssBytes }: Memory): number {
  return rssBytes.server + pssBytes.database;
}

function memoryOf(local: LocalStart): Memory {
  return {
    rssBytes: perGroup(local, memoryBytes),
    pssBytes: perGroup(local, proportionalBytes),
  };
}

/** A process that ends while it is measured counts as zero. */
function perGroup(local: LocalStart, figure: (pids: number[]) => number): PerGroup {
  const processes = local.processes();
  return mapGroups(group => {
    let total = 0;
    for (const { pid, name } of processes) {
      if (groupOf(name) !== group) continue;
      try {
        total += figure([pid]);
      } catch {}
    }
    return total;
  });
}

/** The database is its processes, the one that watches over them included. */
function groupOf(name: string): Group | undefined {
  if (name === 'guard' || /postgres|^flock /.test(name)) return 'database';
  return GROUPS.find(group => group === name);
}

function mapGroups(value: (group: Group) => number): PerGroup {
  return Object.fromEntries(GROUPS.map(group => [group, value(group)])) as PerGroup;
}

import { readdirSync, readFileSync } from 'node:fs';
import type { SandboxedProcess } from '../sandbox/sandbox.ts';
import type { WorkerLimits } from './deps.ts';

/**
 * Measures at intervals how much memory the processes of a run take, and calls `onOver` once when
 * that is too much, or when the kernel has ended one of them for it. Where the sandbox has control
 * groups the kernel holds the bound between two measurements as well.
 */
export class MemoryWatch {
  readonly #timer: NodeJS.Timeout;

  constructor(
    processes: () => readonly SandboxedProcess[],
    { memoryMaxBytes, memoryIntervalMs }: Pick<WorkerLimits, 'memoryMaxBytes' | 'memoryIntervalMs'>,
    onOver: () => void,
  ) {
    this.#timer = setInterval(() => {
      const all = processes();
      const isOver =
        all.some(({ ranOutOfMemory }) => ranOutOfMemory) ||
        // The second is slower and never says more.
        [residentBytes, sharedOutBytes].every(of => memoryOf(all, of) > memoryMaxBytes);
      if (!isOver) return;
      this.stop();
      onOver();
    }, memoryIntervalMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

function memoryOf(
  processes: readonly SandboxedProcess[],
  ofRoots: (roots: readonly number[]) => number,
): number {
  const roots = processes.filter(({ memoryBytes }) => memoryBytes === undefined);
  const inside = processes.reduce((sum, process) => sum + (process.memoryBytes?.() ?? 0), 0);
  return inside + ofRoots(roots.map(({ pid }) => pid));
}

/** What the processes and their descendants have of memory and swap, pages of files left out. */
export function residentBytes(roots: readonly number[]): number {
  // Memory that several processes share counts for each: fast, and never too little.
  return sumOf(roots, 'status', /^(?:RssAnon|RssShmem|VmSwap):\s+(\d+) kB$/gm);
}

/** The same, with shared memory divided among those that share it; slower. */
function sharedOutBytes(roots: readonly number[]): number {
  return sumOf(roots, 'smaps_rollup', /^(?:Pss_Anon|Pss_Shmem|SwapPss):\s+(\d+) kB$/gm);
}

function sumOf(roots: readonly number[], file: string, line: RegExp): number {
  let kib = 0;
  for (const pid of withDescendants(roots)) {
    for (const [, size] of textOf(`/proc/${pid}/${file}`).matchAll(line)) kib += Number(size);
  }
  return kib * 1024;
}

function withDescendants(roots: readonly number[]): Set<number> {
  if (roots.length === 0) return new Set();
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    // `pid (name) state parent …`, and a name may have any characters.
    const parent = Number(textOf(`/proc/${name}/stat`).split(') ').at(-1)?.split(' ')[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  // Zero is a process that could not be started.
  const found = new Set(roots.filter(pid => pid > 0));
  for (const pid of found) for (const child of children.get(pid) ?? []) found.add(child);
  return found;
}

/** Empty: the process has ended. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';

/** Of the first descriptors of a kernel that has just started one is its memory. */
const LOOKED_AT_MAX = 200;
const BLOCK_BYTES = 512;
/** runsc may start itself once more before it starts the kernel. */
const DEPTH_MAX = 3;

interface Kernel {
  readonly pid: string;
  readonly memoryFile: string;
}

/**
 * What everything inside of one gVisor takes. It has all memory inside in one nameless file, and
 * maps little of that at a time: no process of this machine shows it as its own.
 */
export class GvisorMemory {
  readonly #runscPid: number;
  #kernel: Kernel | undefined;

  constructor(runscPid: number) {
    this.#runscPid = runscPid;
  }

  /** Zero before the kernel has started, and after its end. */
  sizeBytes(): number {
    try {
      this.#kernel ??= findKernel(String(this.#runscPid), DEPTH_MAX);
      if (this.#kernel === undefined) return 0;
      const { pid, memoryFile } = this.#kernel;
      const [, ownKib] = /^RssAnon:\s+(\d+) kB$/m.exec(
        readFileSync(`/proc/${pid}/status`, 'utf8'),
      )!;
      return statSync(memoryFile).blocks * BLOCK_BYTES + Number(ownKib) * 1024;
    } catch {
      return 0;
    }
  }
}

function findKernel(pid: string, depth: number): Kernel | undefined {
  if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('runsc-sandbox\0')) {
    return kernelOf(pid);
  }
  if (depth === 0) return undefined;
  for (const child of childrenOf(pid)) {
    const found = findKernel(child, depth - 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Any thread may have started a child. */
function childrenOf(pid: string): string[] {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.flatMap(thread => {
    const text = readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8');
    return text.split(' ').filter(child => child !== '');
  });
}

function kernelOf(pid: string): Kernel | undefined {
  const descriptors = readdirSync(`/proc/${pid}/fd`).slice(0, LOOKED_AT_MAX);
  const memory = descriptors
    .map(fd => `/proc/${pid}/fd/${fd}`)
    .find(path => readlinkSync(path).startsWith('/memfd:runsc-memory'));
  return memory === undefined ? undefined : { pid, memoryFile: memory };
}

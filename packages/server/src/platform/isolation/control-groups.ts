import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  accessSync,
  constants,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** What the kernel holds all processes of a group to, together; what is left out is not limited. */
export interface GroupLimits {
  /** With what they wrote to `/tmp` and `/dev/shm`. */
  readonly memoryMaxBytes?: number;
  readonly processesMax?: number;
  /** Of processors, in hundredths of what another group gets while both want more than there is. */
  readonly cpuWeight: number;
}

/** A folder of the kernel's in which groups can be made, and what is written into each. */
interface Hierarchy {
  readonly dir: string;
  settings(limits: GroupLimits): readonly (readonly [file: string, value: number | undefined])[];
  /** Counts processes that were ended for memory, on a line `oom_kill`. */
  readonly events?: string;
}

const PREFIX = 'holdfast-run-';
const REMOVE_RETRY_MS = 20;
const REMOVE_TRIES = 250;

/** A quarter of what another group gets, while both want more of the disks than there is. */
const DISK_WEIGHT = 25;

/** What version 1 gives a group of weight 100. */
const SHARES = 1024;

/**
 * Version 1 has a hierarchy for each kind of limit. Weights for disks hold where their scheduler is
 * BFQ, the only one that knows of weights in this version.
 */
const VERSION_1: Readonly<Record<string, Omit<Hierarchy, 'dir'>>> = {
  memory: {
    settings: ({ memoryMaxBytes }) => [['memory.limit_in_bytes', memoryMaxBytes]],
    events: 'memory.oom_control',
  },
  pids: { settings: ({ processesMax }) => [['pids.max', processesMax]] },
  cpu: {
    settings: ({ cpuWeight }) => [['cpu.shares', Math.round((cpuWeight * SHARES) / 100)]],
  },
  blkio: { settings: () => [['blkio.bfq.weight', DISK_WEIGHT]] },
};

const VERSION_2: Omit<Hierarchy, 'dir'> = {
  settings: ({ memoryMaxBytes, processesMax, cpuWeight }) => [
    ['memory.max', memoryMaxBytes],
    ['memory.swap.max', 0],
    ['memory.oom.group', 1],
    ['pids.max', processesMax],
    ['cpu.weight', cpuWeight],
    ['io.weight', DISK_WEIGHT],
    ['io.bfq.weight', DISK_WEIGHT],
  ],
  events: 'memory.events',
};
/** Not every kernel has these; the other settings hold without them. */
const OPTIONAL = [
  ...['memory.oom.group', 'memory.swap.max'],
  ...['blkio.bfq.weight', 'io.weight', 'io.bfq.weight'],
];

/** Those that this process may make; undefined: none. */
export function ownControlGroups(): ControlGroups | undefined {
  const groups = new ControlGroups(textOf('/proc/self/cgroup'), textOf('/proc/self/mountinfo'));
  return groups.isEmpty ? undefined : groups;
}

/** Where groups can be made; what a machine does not allow is left out. */
export class ControlGroups {
  readonly #hierarchies: readonly Hierarchy[];

  /**
   * `cgroup` and `mountinfo` as in `/proc/self`. Of version 2 the parent of our own group is used,
   * where it was delegated to us and holds no process itself (systemd: `Delegate=yes` with
   * `DelegateSubgroup=`). Removes what servers that were killed have left.
   */
  constructor(cgroup: string, mountinfo: string) {
    const found = cgroup.split('\n').flatMap(line => {
      const [, controllers = '', path = ''] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
      if (path === '') return [];
      return controllers === ''
        ? version2(path, mountinfo)
        : version1(controllers, path, mountinfo);
    });
    this.#hierarchies = found.filter(({ dir }) => canMakeIn(dir));
    for (const { dir } of this.#hierarchies) removeLeft(dir);
  }

  get isEmpty(): boolean {
    return this.#hierarchies.length === 0;
  }

  /** Throws where the kernel refuses, with nothing made. */
  create(limits: GroupLimits): ControlGroup {
    // Servers in other containers may have the same process id and the same hierarchy.
    const name = `${PREFIX}${process.pid}-${randomBytes(6).toString('hex')}`;
    const parts = this.#hierarchies.map(part => ({ ...part, dir: join(part.dir, name) }));
    try {
      for (const { dir, settings } of parts) {
        mkdirSync(dir);
        for (const [file, value] of settings(limits)) set(dir, file, value);
      }
    } catch (error) {
      for (const { dir } of parts) isRemoved(dir);
      throw error;
    }
    return new ControlGroup(parts);
  }
}

/** A control group of one command. */
export class ControlGroup {
  readonly #parts: readonly Hierarchy[];
  #ranOutOfMemory = false;

  constructor(parts: readonly Hierarchy[]) {
    this.#parts = parts;
  }

  /** Takes a process in, and whatever it starts from now on. */
  add(pid: number): void {
    for (const { dir } of this.#parts) writeFileSync(join(dir, 'cgroup.procs'), String(pid));
  }

  /** Whether the kernel has ended a process for the memory of all. Kept after `remove`. */
  get ranOutOfMemory(): boolean {
    for (const { dir, events } of this.#parts) {
      if (events === undefined || this.#ranOutOfMemory) continue;
      this.#ranOutOfMemory = /^oom_kill [1-9]/m.test(textOf(join(dir, events)));
    }
    return this.#ranOutOfMemory;
  }

  /** Resolves when it is gone; a group whose processes do not end in time stays until a start. */
  async remove(): Promise<void> {
    void this.ranOutOfMemory;
    for (const { dir } of this.#parts) {
      for (let tries = 0; tries < REMOVE_TRIES && !isRemoved(dir); tries += 1) {
        await delay(REMOVE_RETRY_MS);
      }
    }
  }
}

/**
 * Takes a fresh child into its group. One that cannot be taken in is killed, and its group removed:
 * nothing would limit it.
 */
export function confine(child: ChildProcess, group: ControlGroup | undefined): void {
  try {
    if (child.pid !== undefined) group?.add(child.pid);
  } catch (error) {
    child.on('error', () => {}).kill('SIGKILL');
    void group?.remove();
    throw error;
  }
}

function version1(controllers: string, path: string, mountinfo: string): Hierarchy[] {
  return controllers.split(',').flatMap(controller => {
    const kind = VERSION_1[controller];
    const dir = kind && folderOf('cgroup', path, mountinfo, controller);
    return dir === undefined ? [] : [{ ...kind!, dir }];
  });
}

function version2(path: string, mountinfo: string): Hierarchy[] {
  const own = folderOf('cgroup2', path, mountinfo);
  if (own === undefined || path === '/') return [];
  const dir = dirname(own);
  const controllers = textOf(join(dir, 'cgroup.controllers')).trim().split(' ');
  const isWhole = ['cpu', 'memory', 'pids'].every(name => controllers.includes(name));
  if (!isWhole || textOf(join(dir, 'cgroup.procs')) !== '') return [];
  const wanted = ['cpu', 'memory', 'pids', ...(controllers.includes('io') ? ['io'] : [])];
  try {
    writeFileSync(join(dir, 'cgroup.subtree_control'), wanted.map(name => `+${name}`).join(' '));
  } catch {
    return [];
  }
  return [{ ...VERSION_2, dir }];
}

/** Where a group is among the mounts: `… root mount-point … - type source options`. */
function folderOf(
  type: string,
  path: string,
  mountinfo: string,
  controller?: string,
): string | undefined {
  for (const line of mountinfo.split('\n')) {
    const [left = '', right = ''] = line.split(' - ');
    const [root = '', point = ''] = left.split(' ').slice(3, 5);
    const [kind, , options = ''] = right.split(' ');
    if (kind !== type) continue;
    if (controller !== undefined && !options.split(',').includes(controller)) continue;
    if (root === '/') return join(point, path);
    if (`${path}/`.startsWith(`${root}/`)) return join(point, path.slice(root.length));
  }
  return undefined;
}

function canMakeIn(dir: string): boolean {
  const probe = join(dir, `${PREFIX}${process.pid}-0`);
  try {
    accessSync(join(dir, 'cgroup.procs'), constants.W_OK);
    mkdirSync(probe);
    rmdirSync(probe);
    return true;
  } catch {
    return false;
  }
}

/** Groups of processes that are gone; their own processes ended with them. */
function removeLeft(dir: string): void {
  for (const name of readdirSync(dir)) {
    const [, pid] = /^holdfast-run-(\d+)-[0-9a-f]+$/.exec(name) ?? [];
    if (pid !== undefined && textOf(`/proc/${pid}/stat`) === '') isRemoved(join(dir, name));
  }
}

/** False: it still has processes. */
function isRemoved(dir: string): boolean {
  try {
    rmdirSync(dir);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

function set(dir: string, file: string, value: number | undefined): void {
  if (value === undefined) return;
  try {
    writeFileSync(join(dir, file), String(value));
  } catch (error) {
    if (!OPTIONAL.includes(file)) throw error;
  }
}

/** Empty: there is no such file, or it may not be read. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

import { readFileSync } from 'node:fs';

/**
 * What the kernel holds processes inside to (`man 2 setrlimit`). Memory is not among it: limits on
 * address space break V8, and none counts what all processes use together.
 */
export interface ResourceLimits {
  /**
   * Processes and threads of the user inside. Counted for each command alone where it has a user
   * namespace; where the server is root, for all sandboxes of the machine together.
   */
  readonly processesMax: number;
  /** Open files of one process. */
  readonly openFilesMax: number;
  /** One file. */
  readonly fileMaxBytes: number;
}

export const PROCESSES_MAX = 4_096;
export const OPEN_FILES_MAX = 65_536;

const PRLIMIT = '/usr/bin/prlimit';

/** The start of a command line that has these limits, and leaves no core dumps. */
export function limited(limits: ResourceLimits): string[] {
  const own = readFileSync('/proc/self/limits', 'utf8');
  // Only root may raise the limits of the server itself.
  const most = (name: string, wanted: number) => Math.min(wanted, hardLimit(own, name));
  return [
    PRLIMIT,
    `--nproc=${most('Max processes', limits.processesMax)}`,
    `--nofile=${most('Max open files', limits.openFilesMax)}`,
    `--fsize=${most('Max file size', limits.fileMaxBytes)}`,
    ...['--core=0', '--'],
  ];
}

/** `Max open files   1024   524288   files`: name, soft, hard. */
function hardLimit(text: string, name: string): number {
  const line = text.split('\n').find(one => one.startsWith(name)) ?? '';
  const [, hard] = line.slice(name.length).trim().split(/\s+/);
  return /^\d+$/.test(hard ?? '') ? Number(hard) : Number.POSITIVE_INFINITY;
}

/**
 * Loaded into a server with `--import`: notes in the file `STALL_PROBE` how much processor time its
 * main thread takes between two turns of its loop, where that is much, and its memory where that
 * grows. Wall time would measure what else the machine does.
 */
import { openSync, writeSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

/** Timers run in each turn; a longer one delays them. */
const TICK_MS = 5;
const NOTED_MS = 20;
const NOTED_MB = 5;
const BYTES_PER_MB = 1_000_000;

const path = process.env.STALL_PROBE;
if (path !== undefined && isMainThread && process.argv[1]?.endsWith('/main.ts')) watch(path);

function watch(path: string): void {
  const file = openSync(path, 'a');
  let cpu = process.threadCpuUsage();
  let peakMb = 0;
  setInterval(() => {
    const { user, system } = process.threadCpuUsage(cpu);
    cpu = process.threadCpuUsage();
    const cpuMs = Math.round((user + system) / 1000);
    if (cpuMs >= NOTED_MS) writeSync(file, `cpu ${cpuMs}\n`);
    const memoryMb = Math.round(process.memoryUsage.rss() / BYTES_PER_MB);
    if (memoryMb < peakMb + NOTED_MB) return;
    peakMb = memoryMb;
    writeSync(file, `memory ${memoryMb}\n`);
  }, TICK_MS).unref();
}

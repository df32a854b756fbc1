/**
 * Loaded into a server with `--import`: notes in the file `STALL_PROBE` how much processor time its
 * main thread takes between two turns of its loop, where that is much, and its memory where that
 * grows. Wall time would measure what else the machine does. The kernel's part is mostly the price
 * of fresh memory, which on some virtual machines is fifty times what it is elsewhere: there it
 * counts as what it would be elsewhere.
 */
import { openSync, writeSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

/** Timers run in each turn; a longer one delays them. */
const TICK_MS = 5;
const NOTED_MS = 20;
const NOTED_MB = 5;
const BYTES_PER_MB = 1_000_000;
const PAGE_BYTES = 4_096;
const TOUCHED_PAGES = 8_192;
/** The kernel's time for a page of fresh memory, on a machine without such a price. */
const ORDINARY_PAGE_US = 0.5;

const path = process.env.STALL_PROBE;
if (path !== undefined && isMainThread && process.argv[1]?.endsWith('/main.ts')) watch(path);

/** What a second of the kernel's counts. */
function kernelWeight(): number {
  const before = process.threadCpuUsage();
  const memory = Buffer.allocUnsafeSlow(TOUCHED_PAGES * PAGE_BYTES);
  for (let at = 0; at < memory.length; at += PAGE_BYTES) memory[at] = 1;
  const pageUs = process.threadCpuUsage(before).system / TOUCHED_PAGES;
  return Math.min(1, ORDINARY_PAGE_US / pageUs);
}

function watch(path: string): void {
  const file = openSync(path, 'a');
  const weight = kernelWeight();
  let cpu = process.threadCpuUsage();
  let peakMb = 0;
  setInterval(() => {
    const { user, system } = process.threadCpuUsage(cpu);
    cpu = process.threadCpuUsage();
    const cpuMs = Math.round((user + weight * system) / 1000);
    if (cpuMs >= NOTED_MS) writeSync(file, `cpu ${cpuMs}\n`);
    const memoryMb = Math.round(process.memoryUsage.rss() / BYTES_PER_MB);
    if (memoryMb < peakMb + NOTED_MB) return;
    peakMb = memoryMb;
    writeSync(file, `memory ${memoryMb}\n`);
  }, TICK_MS).unref();
}

/** `npm run bench -- <name> [options]`: runs one benchmark by its name. */
import { run as relay } from './relay/run.ts';
import { run as runs } from './runs/run.ts';
import { run as start } from './start/run.ts';

const benchmarks: Readonly<Record<string, (args: string[]) => Promise<void>>> = {
  relay,
  runs,
  start,
};

const [name, ...args] = process.argv.slice(2);
const benchmark = benchmarks[name ?? ''];
if (benchmark === undefined) {
  console.error(`Usage: npm run bench -- ${Object.keys(benchmarks).join(' | ')} [options]`);
  process.exitCode = 2;
} else await benchmark(args);

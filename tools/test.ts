import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { coverageTable, readCoverage, shortfalls } from './test/coverage.ts';
import { readDurations, slowestFiles } from './test/durations.ts';
import { closing, measuresCoverage, readReport, vitestArguments } from './test/summary.ts';

/**
 * `npm test`: all tests, in Vitest, with its arguments passed through (`npm test -- <files> -t
 * <name>`; `--coverage` measures lines, also in the processes that tests start, and fails when they
 * are too few). The last line is always `N passed, N failed`, and the exit code agrees with it.
 */
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const COVERAGE_DIR = join(ROOT, 'coverage');

async function main(): Promise<number> {
  const given = process.argv.slice(2);
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-test-'));
  try {
    const files = {
      results: join(folder, 'results.json'),
      durations: join(folder, 'durations.json'),
    };
    const coverage = measuresCoverage(given);
    // With the compile cache, Node starts the many processes of the tests faster, but counts
    // covered lines less exactly.
    const compileCache = coverage ? undefined : join(folder, 'compile-cache');
    const testCode = await runVitest(vitestArguments(given, files), compileCache);
    const code = coverage ? await tellCoverage(testCode) : testCode;
    const { lines, exitCode } = closing(await readReport(files.results), code);
    const slowest = slowestFiles(await readDurations(files.durations));
    for (const line of [...slowest, ...lines]) console.log(line);
    return exitCode;
  } finally {
    // The last processes may still be writing what they compiled.
    await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

/** Answers the exit code that the run has with its coverage. */
async function tellCoverage(testCode: number): Promise<number> {
  const summary = await readCoverage(COVERAGE_DIR, ROOT);
  const faults = shortfalls(summary);
  for (const line of [...(summary ? coverageTable(summary) : []), ...faults]) console.log(line);
  return faults.length > 0 ? testCode || 1 : testCode;
}

function runVitest(args: readonly string[], compileCache?: string): Promise<number> {
  const manifest = createRequire(import.meta.url).resolve('vitest/package.json');
  const child = spawn(process.execPath, [join(dirname(manifest), 'vitest.mjs'), ...args], {
    cwd: ROOT,
    env: { ...process.env, NODE_COMPILE_CACHE: compileCache },
    stdio: 'inherit',
  });
  // Ctrl-C reaches Vitest as it reaches us; it ends, and the summary still tells how far it came.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', code => resolve(code ?? 1));
  });
}

process.exitCode = await main();

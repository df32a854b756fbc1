import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { closing, readReport, vitestArguments } from './test/summary.ts';

/**
 * `npm test`: all tests, in Vitest, with its arguments passed through (`npm test -- <files> -t
 * <name>`; `--coverage` also measures the processes that tests start). The last line is always
 * `N passed, N failed`, and the exit code agrees with it.
 */
const ROOT = fileURLToPath(new URL('..', import.meta.url));

async function main(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-test-'));
  try {
    const reportFile = join(folder, 'report.json');
    const code = await runVitest(vitestArguments(process.argv.slice(2), reportFile));
    const { lines, exitCode } = closing(await readReport(reportFile), code);
    for (const line of lines) console.log(line);
    return exitCode;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function runVitest(args: readonly string[]): Promise<number> {
  const manifest = createRequire(import.meta.url).resolve('vitest/package.json');
  const child = spawn(process.execPath, [join(dirname(manifest), 'vitest.mjs'), ...args], {
    cwd: ROOT,
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

/**
 * What `npm start` costs a person: the time until it is ready, on a fresh data folder and on one
 * that exists, and what every part needs while nothing happens. Each round is a first start and a
 * later one; with `--other` another checkout takes turns, so that a disturbance of the machine
 * meets both. Writes a table and the raw figures to bench/results/.
 *
 * Options: --rounds 3 --idle 10 (s) --other <folder of another checkout, installed> --no-files
 * --nice=-10 (before other work on the machine; needs root)
 */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { LocalStart } from '../../tests/e2e/harness/local.ts';
import { measure, type Start, togetherBytes } from './measure.ts';
import { writeReport } from './report.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    allowNegative: true,
    options: {
      rounds: { type: 'string', default: '3' },
      idle: { type: 'string', default: '10' },
      other: { type: 'string' },
      nice: { type: 'string', default: '0' },
      files: { type: 'boolean', default: true },
    },
  });
  const [rounds, nice] = [Number(values.rounds), Number(values.nice)];
  const idleMs = Number(values.idle) * 1_000;
  setPriority(nice);
  const roots = [ROOT, ...(values.other === undefined ? [] : [values.other])];
  const sides = roots.map(root => ({ root, commit: commitOf(root), starts: [] as Start[] }));
  for (const { root } of sides) await buildConsole(root);
  for (let round = 1; round <= rounds; round += 1) {
    for (const side of sides) {
      const dir = await mkdtemp(join(tmpdir(), 'holdfast-bench-start-'));
      for (const kind of ['first', 'later'] as const) {
        const start = await measure(side.root, { kind, dataDir: join(dir, 'data'), idleMs });
        side.starts.push(start);
        const together = togetherBytes(start.idle) / 2 ** 20;
        console.log(
          `${round} ${side.commit} ${kind}: ready after ${start.readyMs.toFixed(0)} ms, ` +
            `server and database ${together.toFixed(0)} MB`,
        );
      }
      await rm(dir, { recursive: true, force: true });
    }
  }
  const results = sides.map(({ commit, starts }) => ({ commit, starts }));
  await writeReport({ rounds, idleMs, nice, sides: results }, values.files);
}

function commitOf(root: string): string {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: root, encoding: 'utf8' });
  const isChanged = git('status', '--porcelain', '--untracked-files=no').trim() !== '';
  return git('rev-parse', '--short', 'HEAD').trim() + (isChanged ? ' (changed)' : '');
}

/** Also warms the disk cache, for all sides alike. */
async function buildConsole(root: string): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-bench-start-'));
  const local = new LocalStart({ root, dataDir: join(dir, 'data') });
  await local.url();
  await local.stop();
  await rm(dir, { recursive: true, force: true });
}

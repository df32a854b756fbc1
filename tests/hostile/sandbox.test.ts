/**
 * Escapes and leaks, tried inside a sandbox (`probes.ts`): as the present user, and where that is
 * root as an ordinary user too, which isolates by a user namespace.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { asOrdinaryUser, temporaryFolder } from '../../packages/server/src/runs/sandbox/testing.ts';
import { findBubblewrap, findGvisor } from '../../tools/services/binaries.ts';
import type { Outcome } from './main.ts';
import { PROBES } from './probes.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
const run = promisify(execFile);

interface Report {
  readonly uid: number;
  readonly isolated: boolean;
  readonly note: string | null;
  readonly outcomes: readonly Outcome[];
}

const named = (report: Report, outcome: Outcome['outcome']) =>
  report.outcomes.filter(one => one.outcome === outcome).map(({ name }) => name);

function expectHeld(report: Report, answered: readonly string[] = []): void {
  expect(report).toMatchObject({ isolated: true, note: null });
  expect(named(report, 'escaped')).toEqual(answered);
  expect(named(report, 'late')).toEqual([]);
  const held = [...PROBES.keys()].filter(name => !answered.includes(name));
  expect(named(report, 'held')).toEqual(held);
  expect(PROBES.size).toBeGreaterThanOrEqual(60);
}

/** What gVisor's own kernel answers, of itself and not of the machine. */
const OWN_KERNEL = [
  'processes: a priority over the server',
  'kernel: its command line',
  'network: rare protocols',
];
/** With an ordinary user outside, the user inside is root of that kernel, without capabilities. */
const OWN_ROOT = [
  'rights: another user by a program of its own',
  'rights: another user by a call',
  'rights: another group',
];
const RUNTIMES = [
  ['bubblewrap', findBubblewrap, [], []],
  ['gvisor', findGvisor, OWN_KERNEL, [OWN_KERNEL[0]!, ...OWN_ROOT, ...OWN_KERNEL.slice(1)]],
] as const;

describe.each(RUNTIMES)('%s', (runtime, find, answered, answeredToOrdinary) => {
  it('holds what runs inside, as whoever runs the server', async () => {
    await find();
    const { stdout } = await run(process.execPath, [MAIN, runtime, await temporaryFolder()]);
    const report: Report = JSON.parse(stdout);
    expectHeld(report, report.uid === 0 ? answered : answeredToOrdinary);
  });

  it('holds what runs inside where the server is an ordinary user', async () => {
    await find();
    const folder = await temporaryFolder();
    const ordinary = asOrdinaryUser(folder);
    const [program = '', ...args] = ordinary.node([ordinary.path(MAIN), runtime, folder]);
    const { stdout } = await run(program, args, { cwd: '/' });
    const report: Report = JSON.parse(stdout);
    expect(report.uid).not.toBe(0);
    expectHeld(report, answeredToOrdinary);
  });
});

it('would notice: without a sandbox, root gets what the probes are after', async () => {
  const { stdout } = await run(process.execPath, [MAIN, 'open', await temporaryFolder()]);
  const report: Report = JSON.parse(stdout);
  const controls = [...PROBES].filter(([, { control }]) => control).map(([name]) => name);
  expect(report.isolated).toBe(false);
  if (report.uid === 0) expect(named(report, 'escaped')).toEqual(controls);
  else expect(named(report, 'escaped')).toContain('reading: a file outside by its path');
});

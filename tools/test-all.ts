import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { CONTROLS } from '../tests/proof/arguments.ts';

/**
 * `npm run test:all`, for every night: all tests, with five times as many fuzzed frames and
 * requests as `npm test` has and the long form of the hostile ones, and what takes too long for
 * every change: the vendors' agents, half an hour of voice sessions, the proof, and that the proof
 * fails where something is broken. A step that fails does not keep the others from running. Exit
 * code 1 when any failed.
 */
const ROOT = fileURLToPath(new URL('..', import.meta.url));

interface Step {
  readonly title: string;
  /** A script and its arguments. */
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const STEPS: readonly Step[] = [
  {
    title: 'tests',
    command: ['tools/test.ts'],
    env: {
      CLIENTS_ALL: '1',
      FUZZ_FRAMES: '1000000',
      FUZZ_REQUESTS: '20000',
      HOSTILE_MESSAGES: '1000000',
      HOSTILE_ROUNDS: '20',
    },
  },
  { title: 'agents', command: ['tools/agents.ts'] },
  { title: 'soak', command: ['tests/soak/main.ts', '--minutes', '30', '--stack', 'production'] },
  { title: 'proof', command: ['tests/proof/main.ts', 'runs'] },
  ...CONTROLS.map(name => ({
    title: `proof with ${name}`,
    command: ['tests/proof/main.ts', 'runs', '--control', name],
  })),
];

async function main(): Promise<number> {
  const lines: string[] = [];
  let failed = 0;
  for (const { title, command, env } of STEPS) {
    const startMs = performance.now();
    const code = await run(command, env);
    const minutes = ((performance.now() - startMs) / 60_000).toFixed(1);
    if (code !== 0) failed += 1;
    lines.push(`${code === 0 ? '✓' : '✗'} ${title} (${minutes} min)`);
  }
  for (const line of lines) console.log(line);
  console.log(`${STEPS.length - failed} steps passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

function run(command: readonly string[], env: Step['env']): Promise<number> {
  const child = spawn(process.execPath, command, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: 'inherit',
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', code => resolve(code ?? 1));
  });
}

process.exitCode = await main();

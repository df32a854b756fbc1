import { spawn } from 'node:child_process';
import type { SandboxedProcess } from '../../sandbox/sandbox.ts';

/** For tests of agents: a process group of its own and nothing else of a sandbox. */
export function spawnPlain(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd: string,
): SandboxedProcess {
  const [program, ...args] = command;
  const child = spawn(program!, args, {
    cwd,
    env: { PATH: process.env.PATH, ...env },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const kill = (signal: NodeJS.Signals) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, signal);
    } catch {
      // The group is gone.
    }
  };
  child.stdin.on('error', () => {});
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>(resolve => {
    child.once('error', () => resolve({ code: null, signal: null }));
    child.once('exit', (code, signal) => {
      kill('SIGKILL');
      child.once('close', () => resolve({ code, signal }));
    });
  });
  const { stdin, stdout, stderr } = child;
  const pid = child.pid ?? 0;
  return { pid, stdin, stdout, stderr, ranOutOfMemory: false, kill, exited };
}

import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { HoldfastError } from '../../kernel/index.ts';
import type { Sandbox, SandboxedProcess, SandboxMounts } from '../sandbox/index.ts';
import { isReaderGone, keepErrors } from './git.ts';

interface ScriptRequest {
  readonly sandbox: Sandbox;
  readonly mounts: SandboxMounts;
  readonly script: string;
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly input?: Readable;
  /** The step, for errors: `the checkout`. */
  readonly what: string;
}

/**
 * Runs a script inside and passes its output to `read`, which must bound what it takes. Returns the
 * result of `read` once the script has succeeded. Throws the error of `read`, or `unprocessable`
 * with the script's error output as cause.
 */
export async function runScript<T>(
  request: ScriptRequest,
  read: (output: Readable) => Promise<T>,
): Promise<T> {
  const { sandbox, mounts, script, what } = request;
  const env = { GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null', ...request.env };
  const child = sandbox.spawn({ command: ['sh', '-c', script], env, mounts });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill('SIGKILL');
  }, request.timeoutMs);
  const errors = keepErrors(child);
  try {
    const [result] = await Promise.all([read(child.stdout), feed(child, request.input)]);
    // Unread output must not keep the script from ending.
    child.stdout.resume();
    const { code } = await child.exited;
    if (code === 0) return result;
    const cause = new Error(`ended with ${code ?? 'a signal'}: ${errors()}`);
    throw new HoldfastError('unprocessable', `In the sandbox, ${what} failed.`, { cause });
  } catch (error) {
    child.kill('SIGKILL');
    child.stdout.destroy();
    await child.exited;
    if (!isLate) throw error;
    // The error is a consequence of the kill.
    const detail = `In the sandbox, ${what} took longer than ${request.timeoutMs / 1000} s.`;
    throw new HoldfastError('unprocessable', detail, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** For scripts that print nothing. */
export async function ignoreOutput(output: Readable): Promise<void> {
  output.resume();
  if (!output.closed) await once(output, 'close');
}

async function feed(child: SandboxedProcess, input: Readable | undefined): Promise<void> {
  if (!input) {
    child.stdin.end();
    return;
  }
  try {
    await pipeline(input, child.stdin);
  } catch (error) {
    // The exit code of a script that stopped reading shows why.
    if (!isReaderGone(error)) throw error;
  }
}

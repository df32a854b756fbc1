import { spawn } from 'node:child_process';

/**
 * One command in the workspace, in a process group of its own, which is killed when the command has
 * ended or its time is over. Output is kept up to `OUTPUT_MAX_BYTES`: the beginning and the end.
 */
const OUTPUT_MAX_BYTES = 32 * 1024;
export const COMMAND_TIMEOUT_MS = 120_000;
/** How long processes that the command left running may still write output. */
const TRAILING_OUTPUT_MS = 200;

export interface CommandResult {
  readonly exitCode: number | null;
  readonly output: string;
  readonly timedOut: boolean;
}

interface CommandOptions {
  readonly cwd: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Rejects only when the program cannot be started. */
export function runCommand(
  command: readonly [string, ...string[]],
  { cwd, timeoutMs, signal }: CommandOptions,
): Promise<CommandResult> {
  const [program, ...args] = command;
  const child = spawn(program, args, { cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = new HeadAndTail(OUTPUT_MAX_BYTES);
  let timedOut = false;
  const killGroup = () => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // The group is gone.
    }
  };
  const timer = setTimeout(() => {
    timedOut = true;
    killGroup();
  }, timeoutMs);
  signal.addEventListener('abort', killGroup, { once: true });
  if (signal.aborted) killGroup();
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
  return new Promise((resolve, reject) => {
    const settle = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', killGroup);
    };
    child.once('error', error => {
      settle();
      reject(error);
    });
    child.once('exit', () => setTimeout(killGroup, TRAILING_OUTPUT_MS).unref());
    child.once('close', exitCode => {
      settle();
      resolve({ exitCode, output: output.toString(), timedOut });
    });
  });
}

/** Keeps the first and the last half of `maxBytes` and counts the bytes between. */
export class HeadAndTail {
  readonly #halfBytes: number;
  #head = Buffer.alloc(0);
  #tail = Buffer.alloc(0);
  #dropped = 0;

  constructor(maxBytes: number) {
    this.#halfBytes = Math.floor(maxBytes / 2);
  }

  push(chunk: Buffer): void {
    const room = this.#halfBytes - this.#head.length;
    if (room > 0) this.#head = Buffer.concat([this.#head, chunk.subarray(0, room)]);
    const rest = chunk.subarray(Math.max(0, room));
    if (rest.length === 0) return;
    const tail = Buffer.concat([this.#tail, rest.subarray(-this.#halfBytes)]);
    const kept = tail.subarray(-this.#halfBytes);
    this.#dropped += this.#tail.length + rest.length - kept.length;
    this.#tail = Buffer.from(kept);
  }

  toString(): string {
    const note = this.#dropped === 0 ? '' : `\n[… ${this.#dropped} bytes left out …]\n`;
    return this.#head.toString('utf8') + note + this.#tail.toString('utf8');
  }
}

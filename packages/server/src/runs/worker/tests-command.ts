import type { SandboxedProcess } from '../sandbox/sandbox.ts';

/** Kept of a test command's output: its end. */
const TEST_OUTPUT_KEPT_BYTES = 64 * 1024;

/** The result of the repository's test command. */
export interface CommandResult {
  /** Null: it did not end in time, or was ended. */
  readonly exitCode: number | null;
  readonly durationS: number;
  /** The last `TEST_OUTPUT_KEPT_BYTES` of both outputs, as they came. */
  readonly output: string;
}

/**
 * Waits for a command's end, within bounds of its time and of the kept output. In every case no
 * process of its group is left.
 */
export async function finishCommand(
  process: SandboxedProcess,
  timeMs: number,
  signal: AbortSignal,
): Promise<CommandResult> {
  const startedMs = performance.now();
  const tail = new Tail(TEST_OUTPUT_KEPT_BYTES);
  const ended = [process.stdout, process.stderr].map(stream => {
    stream.on('data', (chunk: Buffer) => tail.add(chunk));
    stream.on('error', () => {});
    return new Promise(resolve => stream.once('close', resolve));
  });
  process.stdin.on('error', () => {});
  process.stdin.end();
  let late = false;
  const stop = () => {
    late = true;
    process.kill('SIGKILL');
  };
  const timer = setTimeout(stop, timeMs);
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  const { code } = await process.exited;
  await Promise.all(ended);
  clearTimeout(timer);
  signal.removeEventListener('abort', stop);
  process.kill('SIGKILL');
  const durationS = Math.round(performance.now() - startedMs) / 1_000;
  return { exitCode: late ? null : code, durationS, output: tail.text() };
}

/** The end of a stream of bytes, bounded. */
class Tail {
  readonly #maxBytes: number;
  #chunks: Buffer[] = [];
  #sizeBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#sizeBytes += chunk.length;
    while (this.#sizeBytes - this.#chunks[0]!.length >= this.#maxBytes) {
      this.#sizeBytes -= this.#chunks.shift()!.length;
    }
  }

  text(): string {
    return Buffer.concat(this.#chunks).subarray(-this.#maxBytes).toString('utf8');
  }
}

import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import type { ControlGroup } from '../../platform/isolation/index.ts';
import type { SandboxedProcess } from './sandbox.ts';

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface GroupProcessOptions {
  /** How the command itself ended, where a process inside reports it. */
  readonly report?: Promise<Ending | undefined>;
  /** Passes a signal on; false: this class signals the group. */
  readonly signal?: (signal: NodeJS.Signals) => boolean;
  /** Holds the process and what it starts; removed with their end. */
  readonly group?: ControlGroup | undefined;
  readonly memoryBytes?: (() => number) | undefined;
}

/** A shell's exit code for an unknown command. */
const NOT_FOUND_CODE = 127;
const OUTPUT_SILENCE_MS = 1_000;

/** A child that was started `detached`, with pipes, as the head of a process group. */
export class GroupProcess implements SandboxedProcess {
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exited: Promise<Ending>;
  readonly memoryBytes?: () => number;
  readonly #options: GroupProcessOptions;
  readonly #output: readonly Socket[];
  #ended = false;

  constructor(child: ChildProcess, options: GroupProcessOptions = {}) {
    if (!child.stdin || !child.stdout || !child.stderr) throw new Error('a child without pipes');
    this.#options = options;
    this.pid = child.pid ?? 0;
    if (options.memoryBytes) this.memoryBytes = options.memoryBytes;
    this.stdin = child.stdin;
    this.#output = [child.stdout, child.stderr] as Socket[];
    this.stdout = keptOutput(child.stdout);
    this.stderr = keptOutput(child.stderr);
    // A process may end before it has read all its input; that is no error.
    this.stdin.on('error', () => {});
    this.exited = this.#watch(child);
  }

  get ranOutOfMemory(): boolean {
    return this.#options.group?.ranOutOfMemory ?? false;
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#ended) return;
    if (this.#options.signal?.(signal)) return;
    this.#signalGroup(signal);
  }

  async #watch(child: ChildProcess): Promise<Ending> {
    const { promise, resolve } = Promise.withResolvers<Ending>();
    child.once('error', () => resolve({ code: NOT_FOUND_CODE, signal: null }));
    child.once('close', (code, signal) => resolve({ code, signal }));
    child.once('exit', () => {
      this.#signalGroup('SIGKILL');
      this.#ended = true;
      this.#closeOutput();
    });
    const ending = await promise;
    this.#ended = true;
    void this.#options.group?.remove();
    return (await this.#options.report) ?? ending;
  }

  /** A process that left the group may hold the output open for ever; after a silence it ends. */
  #closeOutput(): void {
    const streams = this.#output;
    let before = streams.map(stream => stream.bytesRead);
    const timer = setInterval(() => {
      if (streams.every(stream => stream.closed)) return clearInterval(timer);
      for (const [index, stream] of streams.entries()) {
        const isIdle = stream.bytesRead === before[index] && stream.readableLength === 0;
        // An end, not an error: the output before it is whole.
        if (isIdle && !stream.readableEnded) stream.push(null);
      }
      before = streams.map(stream => stream.bytesRead);
    }, OUTPUT_SILENCE_MS);
    timer.unref();
  }

  #signalGroup(signal: NodeJS.Signals): void {
    // Group 0 is the server's own.
    if (this.pid === 0) return;
    try {
      process.kill(-this.pid, signal);
    } catch {
      // The group is gone.
    }
  }
}

/**
 * The output of a child process, safe to be read late. When a child ends, Node discards the output
 * that has no reader yet; a fast command would seem to have printed nothing. Ends and fails as
 * `output` does; once it is closed, the rest of `output` is discarded.
 */
export function keptOutput(output: Readable): Readable {
  const kept = new PassThrough();
  output.on('error', error => kept.destroy(error));
  kept.once('close', () => {
    output.unpipe(kept);
    output.resume();
  });
  return output.pipe(kept);
}

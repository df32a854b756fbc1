/**
 * The first program inside a sandbox, run by Node there: it has nothing but Node's own modules. It
 * gives the processes inside a loopback that leads to the sockets mounted for them, starts the
 * command in a process group of its own, passes signals to that group, and reports how it ended.
 *
 * The line to the server is file descriptor 3, or the Unix socket that the argument names. One JSON
 * value a line: first `BridgeOrder` comes in, then `{"signal": "SIGINT"}` any number of times; out
 * goes one `BridgeReport`. Orders never come in an argument or in the environment of this process,
 * where other processes could read them. When the line is cut, the server is gone and everything
 * here ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer, Socket } from 'node:net';
import { createInterface } from 'node:readline';

export interface BridgeOrder {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Where the command starts. Perhaps only the user that it runs as can enter it. */
  readonly cwd: string;
  /** Ports of the sandbox's loopback and the Unix sockets inside that they lead to. */
  readonly ports: readonly { readonly port: number; readonly socket: string }[];
}

export interface BridgeReport {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const CONTROL_FD = 3;
/** `O_CLOEXEC`, which Node's own constants lack. */
const CLOSE_ON_EXEC = 0o2_000_000;
/** A shell's exit code for an unknown command. */
const NOT_FOUND_CODE = 127;

const control = openLine(process.argv[2]);
const lines = createInterface({ input: control })[Symbol.asyncIterator]();

/** With a socket nothing was inherited but input, output and errors. */
function openLine(path: string | undefined): Socket {
  if (path !== undefined) return connect(path);
  closeInherited();
  return new Socket({ fd: CONTROL_FD, readable: true, writable: true });
}

/**
 * Others inside can open what this process has open. Bubblewrap passes on whatever it was started
 * with; of what Node opens itself there are only pipes, nameless files of the kernel and /dev/null.
 */
function closeInherited(): void {
  for (const fd of readdirSync('/proc/self/fd').map(Number)) {
    if (fd <= CONTROL_FD) continue;
    try {
      const isNode = /^(?:pipe:|anon_inode:|\/dev\/null$)/.test(
        readlinkSync(`/proc/self/fd/${fd}`),
      );
      const info = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
      const flags = Number.parseInt(/^flags:\s+(\d+)$/m.exec(info)![1]!, 8);
      if (!isNode || (flags & CLOSE_ON_EXEC) === 0) closeSync(fd);
    } catch (error) {
      // The folder that was being read is closed by now.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}

function isOrder(value: unknown): value is BridgeOrder {
  return typeof value === 'object' && value !== null && 'command' in value;
}

/** Passes bytes both ways; when one side fails, the other is closed. */
async function listen(port: number, socket: string): Promise<void> {
  const server = createServer({ allowHalfOpen: true }, near => {
    const far = connect({ path: socket, allowHalfOpen: true });
    near.on('error', () => far.destroy()).on('close', () => far.destroy());
    far.on('error', () => near.destroy()).on('close', () => near.destroy());
    near.pipe(far);
    far.pipe(near);
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject).listen(port, '127.0.0.1', resolve);
  await promise;
  server.on('error', () => {});
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is gone.
  }
}

function end(report: BridgeReport, exitCode: number): void {
  control.end(`${JSON.stringify(report)}\n`, () => process.exit(exitCode));
}

function start(order: BridgeOrder): ChildProcess {
  const [program = '', ...args] = order.command;
  const child = spawn(program, args, {
    env: { ...order.env },
    cwd: order.cwd,
    stdio: 'inherit',
    detached: true,
  });
  child.once('error', error => {
    process.stderr.write(`cannot start ${program}: ${error.message}\n`);
    end({ code: NOT_FOUND_CODE, signal: null }, NOT_FOUND_CODE);
  });
  child.once('exit', (code, signal) => end({ code, signal }, code ?? 1));
  return child;
}

/** When memory runs out, the kernel kills the processes inside before the server. */
function offerMemory(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '1000');
  } catch {
    // A kernel without this file chooses by size alone.
  }
}

async function main(): Promise<void> {
  offerMemory();
  const first = await lines.next();
  const order: unknown = first.done ? undefined : JSON.parse(first.value);
  if (!isOrder(order)) process.exit(1);
  for (const { port, socket } of order.ports) await listen(port, socket);
  const child = start(order);
  for await (const line of { [Symbol.asyncIterator]: () => lines }) {
    const { signal } = JSON.parse(line) as { signal: NodeJS.Signals };
    signalGroup(child, signal);
  }
  signalGroup(child, 'SIGKILL');
  process.exit(1);
}

control.on('error', () => process.exit(1));
await main();

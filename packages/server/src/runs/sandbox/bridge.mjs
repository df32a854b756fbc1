// @ts-check
/**
 * The first program inside a sandbox, run by Node there: it has nothing but Node's own modules, and
 * is JavaScript because every command starts it: to strip types takes longer than all the rest. It
 * gives the processes inside a loopback that leads to the sockets mounted for them, starts the
 * command in a process group of its own, passes signals to that group, and reports how it ended.
 *
 * The line to the server is file descriptor 3, or the Unix socket that the argument names. One JSON
 * value a line: first `BridgeOrder` (`bridged-process.ts`) comes in, then `{"signal": "SIGINT"}` any number of times; out
 * goes one `BridgeReport`. Orders never come in an argument or in the environment of this process,
 * where other processes could read them. When the line is cut, the server is gone and everything
 * here ends.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer, Socket } from 'node:net';
import { createInterface } from 'node:readline';

const CONTROL_FD = 3;
/** `O_CLOEXEC`, which Node's own constants lack. */
const CLOSE_ON_EXEC = 0o2_000_000;
/** A shell's exit code for an unknown command. */
const NOT_FOUND_CODE = 127;

const control = openLine(process.argv[2]);
const lines = createInterface({ input: control })[Symbol.asyncIterator]();

/**
 * With a socket nothing was inherited but input, output and errors.
 * @param {string | undefined} path
 */
function openLine(path) {
  if (path !== undefined) return connect(path);
  closeInherited();
  return new Socket({ fd: CONTROL_FD, readable: true, writable: true });
}

/**
 * Others inside can open what this process has open. Bubblewrap passes on whatever it was started
 * with; of what Node opens itself there are only pipes, nameless files of the kernel and /dev/null.
 */
function closeInherited() {
  for (const fd of readdirSync('/proc/self/fd').map(Number)) {
    if (fd <= CONTROL_FD) continue;
    try {
      const isNode = /^(?:pipe:|anon_inode:|\/dev\/null$)/.test(
        readlinkSync(`/proc/self/fd/${fd}`),
      );
      const info = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
      const flags = Number.parseInt(/^flags:\s+(\d+)$/m.exec(info)?.[1] ?? '0', 8);
      if (!isNode || (flags & CLOSE_ON_EXEC) === 0) closeSync(fd);
    } catch (error) {
      // The folder that was being read is closed by now.
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ENOENT') throw error;
    }
  }
}

/**
 * @param {unknown} value
 * @returns {value is import('./bridged-process.ts').BridgeOrder}
 */
function isOrder(value) {
  return typeof value === 'object' && value !== null && 'command' in value;
}

/**
 * Passes bytes both ways; when one side fails, the other is closed.
 * @param {number} port
 * @param {string} socket
 */
async function listen(port, socket) {
  const server = createServer({ allowHalfOpen: true }, near => {
    const far = connect({ path: socket, allowHalfOpen: true });
    near.on('error', () => far.destroy()).on('close', () => far.destroy());
    far.on('error', () => near.destroy()).on('close', () => near.destroy());
    near.pipe(far);
    far.pipe(near);
  });
  await once(server.listen(port, '127.0.0.1'), 'listening');
  server.on('error', () => {});
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @param {NodeJS.Signals} signal
 */
function signalGroup(child, signal) {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is gone.
  }
}

/**
 * @param {import('./bridged-process.ts').BridgeReport} report
 * @param {number} exitCode
 */
function end(report, exitCode) {
  control.end(`${JSON.stringify(report)}\n`, () => process.exit(exitCode));
}

/** @param {import('./bridged-process.ts').BridgeOrder} order */
function start(order) {
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
function offerMemory() {
  try {
    writeFileSync('/proc/self/oom_score_adj', '1000');
  } catch {
    // A kernel without this file chooses by size alone.
  }
}

async function main() {
  offerMemory();
  const first = await lines.next();
  /** @type {unknown} */
  const order = first.done ? undefined : JSON.parse(first.value);
  if (!isOrder(order)) process.exit(1);
  for (const { port, socket } of order.ports) await listen(port, socket);
  const child = start(order);
  for await (const line of { [Symbol.asyncIterator]: () => lines }) {
    signalGroup(child, JSON.parse(line).signal);
  }
  signalGroup(child, 'SIGKILL');
  process.exit(1);
}

control.on('error', () => process.exit(1));
await main();

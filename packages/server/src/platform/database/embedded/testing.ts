/** For tests: committers (`testing/committer.ts`) as processes, and what is left of a database. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('./testing/committer.ts', import.meta.url));

export interface Line {
  readonly open?: string;
  /** The last row that was there already. */
  readonly had?: number;
  readonly ack?: number;
  readonly refused?: number;
  readonly holder?: number;
  readonly leaks?: boolean;
  readonly event?: string;
  readonly cause?: string;
  readonly error?: string;
  readonly folder?: string;
}

export class Committer {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  /** Everything it has printed that was no JSON, such as the error that ended it. */
  errors = '';
  /** The last acknowledged row. */
  acked = 0;
  #wake = () => {};
  readonly #lines: Line[] = [];

  constructor(args: readonly string[], prefix: readonly string[] = []) {
    const [command, ...rest] = [...prefix, process.execPath, PROGRAM, ...args];
    this.child = spawn(command!, rest, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.ended = new Promise(resolve => {
      this.child.once('close', code => {
        resolve(code);
        this.#wake();
      });
    });
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text;
    });
    createInterface({ input: this.child.stdout! }).on('line', text => {
      const line = JSON.parse(text) as Line;
      if (line.ack !== undefined) this.acked = line.ack;
      this.#lines.push(line);
      this.#wake();
    });
  }

  /** The next line that matches, from those not looked at before. */
  async next(match: (line: Line) => boolean): Promise<Line> {
    for (;;) {
      for (let line = this.#lines.shift(); line !== undefined; line = this.#lines.shift()) {
        if (match(line)) return line;
      }
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`the committer has ended: ${this.errors}`);
      }
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
  }

  open(): Promise<Line> {
    return this.next(line => line.open !== undefined);
  }

  async acks(count: number): Promise<void> {
    for (let seen = 0; seen < count; seen += 1) await this.next(line => line.ack !== undefined);
  }

  /** Resolves when all that it printed was read. */
  async signal(name: NodeJS.Signals): Promise<number | null> {
    this.child.kill(name);
    return this.ended;
  }
}

/** Process ids of the database below `dataDir`: guard, server and its children. */
export function databaseProcesses(dataDir: string): number[] {
  const roots = processesOf().filter(({ args }) => args.includes(dataDir) && isDatabase(args));
  const pids = new Set(roots.map(({ pid }) => pid));
  for (let grown = true; grown; ) {
    const children = processesOf().filter(({ pid, parent }) => pids.has(parent) && !pids.has(pid));
    for (const { pid } of children) pids.add(pid);
    grown = children.length > 0;
  }
  return [...pids];
}

const isDatabase = (args: string) => /holdfast-database-guard|bin\/(postgres|initdb)\0/.test(args);

function processesOf(): { pid: number; parent: number; args: string }[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .flatMap(name => {
      try {
        const status = readFileSync(`/proc/${name}/stat`, 'utf8');
        const [state, parent] = status.slice(status.lastIndexOf(')') + 2).split(' ');
        const args = readFileSync(`/proc/${name}/cmdline`, 'utf8');
        return state === 'Z' ? [] : [{ pid: Number(name), parent: Number(parent), args }];
      } catch {
        return [];
      }
    });
}

/** The server's own process, its parent, the guard, and the guard's process that waits. */
export function serverOf(clusterDir: string): { server: number; guard: number; waiting: number } {
  const server = Number(readFileSync(`${clusterDir}/postmaster.pid`, 'utf8').split('\n')[0]);
  const status = readFileSync(`/proc/${server}/status`, 'utf8');
  const guard = Number(/^PPid:\s*(\d+)/m.exec(status)![1]);
  const waiting = processesOf().find(({ pid, parent }) => parent === guard && pid !== server)!.pid;
  return { server, guard, waiting };
}

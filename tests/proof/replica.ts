/** A server process that is started again after it went away, as an orchestrator does. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { startProcess, type TestProcess } from '../e2e/harness/process.ts';
import type { Observations } from './observations.ts';

const START_ATTEMPTS = 20;
const START_PAUSE_MS = 1_000;
const SERIOUS = /^\{"level":"(error|fatal)"/;
const SERIOUS_MAX = 200;
/** Of the output of a process that did not end. */
const SHOWN_LINES = 40;
/** With its grace period, and a machine that is busy. */
const STOP_TIMEOUT_MS = 60_000;

export interface ReplicaOptions {
  readonly name: string;
  readonly script: string;
  readonly env: Record<string, string>;
  readonly observations: Observations;
}

export class Replica {
  readonly name: string;
  /** Lines of its log at level error and above, the first of them. */
  readonly serious: string[] = [];
  readonly #options: ReplicaOptions;
  #process: TestProcess | undefined;
  /** Of the process that listened last, `rep_…`; what holds leases in its name. */
  #id = '';

  constructor(options: ReplicaOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get id(): string {
    return this.#id;
  }

  get lines(): readonly string[] {
    return this.#process?.lines ?? [];
  }

  /** Until it listens; it may need several starts while the database is away. */
  async start(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const started = startProcess(this.#options.script, this.#options.env);
      this.#process = started;
      this.#listenTo(started);
      try {
        const { replica } = await started.waitFor(line => line.event === 'listening');
        this.#id = String(replica);
        return;
      } catch (error) {
        await started.kill();
        if (attempt === START_ATTEMPTS) throw error;
        await delay(START_PAUSE_MS);
      }
    }
  }

  /** In the same tick. */
  signal(signal: NodeJS.Signals): void {
    this.#process?.child.kill(signal);
  }

  /** Waits for the end that a signal brought, and starts it again. */
  async again(): Promise<void> {
    await this.ended();
    await this.start();
  }

  async stop(): Promise<void> {
    this.signal('SIGCONT');
    this.signal('SIGTERM');
    await this.ended();
  }

  /** Resolves when it has ended; throws when it takes too long, and kills it then. */
  async ended(): Promise<void> {
    const { child } = this.#process ?? {};
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    try {
      await once(child, 'exit', { signal: AbortSignal.timeout(STOP_TIMEOUT_MS) });
    } catch {
      await this.#process?.kill();
      const said = this.lines.slice(-SHOWN_LINES).join('\n');
      throw new Error(`${this.name} did not end within ${STOP_TIMEOUT_MS} ms:\n${said}`);
    }
  }

  #listenTo({ child }: TestProcess): void {
    createInterface({ input: child.stdout! }).on('line', line => {
      if (SERIOUS.test(line) && this.serious.length < SERIOUS_MAX) this.serious.push(line);
      const event = /"event":"([a-z_.]+)"/.exec(line)?.[1];
      if (event !== undefined) this.#options.observations.tell(`log:${event}`);
    });
  }
}

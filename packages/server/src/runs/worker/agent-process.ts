import type { Agent, AgentContext, AgentOutcome, AgentRun } from '../agents/agent.ts';
import type { SandboxedProcess } from '../sandbox/sandbox.ts';

/**
 * The agent at work, and the one way to stop it:
 *
 *   working ──stop──▶ SIGINT ──grace──▶ SIGTERM ──grace──▶ SIGKILL ──▶ ended
 *                                              kill() ─────▶ SIGKILL
 *
 * Signals go to the process group of everything the adapter spawned, so a wrapper that dies first
 * leaves no process behind; when the adapter reports that the agent is done, remaining processes
 * are killed too.
 */
export class AgentProcess {
  /** Settles once no process of the agent runs; rejects where the adapter does. */
  readonly done: Promise<AgentOutcome>;
  readonly #run: AgentRun;
  readonly #processes: SandboxedProcess[] = [];
  readonly #graceMs: number;
  #stopping = false;
  #killed = false;
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(agent: Agent, context: AgentContext, options: { readonly graceMs: number }) {
    this.#graceMs = options.graceMs;
    this.#run = agent.start({
      ...context,
      spawn: (command, env) => {
        const process = context.spawn(command, env);
        this.#processes.push(process);
        if (this.#killed) process.kill('SIGKILL');
        return process;
      },
    });
    this.done = this.#finish();
  }

  steer(text: string): Promise<boolean> {
    return this.#stopping ? Promise.resolve(false) : this.#run.steer(text);
  }

  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#run.stop('SIGINT');
    this.#timers.push(
      setTimeout(() => this.#signal('SIGTERM'), this.#graceMs),
      setTimeout(() => this.kill(), 2 * this.#graceMs),
    );
  }

  kill(): void {
    this.#stopping = true;
    this.#killed = true;
    this.#signal('SIGKILL');
  }

  /**
   * Halts its processes until `resume`; signals sent meanwhile take effect then. A process that
   * left the group is not halted.
   */
  pause(): void {
    this.#signal('SIGSTOP');
  }

  resume(): void {
    this.#signal('SIGCONT');
  }

  #signal(signal: NodeJS.Signals): void {
    for (const process of this.#processes) process.kill(signal);
  }

  async #finish(): Promise<AgentOutcome> {
    try {
      return await this.#run.done;
    } finally {
      for (const timer of this.#timers) clearTimeout(timer);
      this.kill();
      await Promise.all(this.#processes.map(process => process.exited));
    }
  }
}

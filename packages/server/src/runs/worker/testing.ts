import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Run } from '@holdfast/protocol';
import { onTestFinished, vi } from 'vitest';
import type { BudgetNotice, ModelCall, ModelGateway } from '../../models/index.ts';
import { createProcessDoorbell } from '../../platform/doorbell/testing.ts';
import type { NewEvent } from '../../platform/log/index.ts';
import type { Agent, AgentContext, AgentOutcome, AgentRun, AgentVersion } from '../agents/agent.ts';
import type { RunsHost } from '../testing/host.ts';
import { createWorld, type World } from '../workspace/testing.ts';
import { defaultWorkerLimits, type WorkerDeps, type WorkerLimits } from './deps.ts';
import { RunWorker } from './worker.ts';

/** Short enough for tests; the rest is as in production. */
const LIMITS: Partial<WorkerLimits> = { stopGraceMs: 300, checkpointMinMs: 50, flushMs: 2_000 };
const WAIT_MS = 40_000;

/**
 * An agent that is a shell script, run where agents run. Of its output, `done …` and `fail …` are
 * the outcome, `tool` the end of a tool's use, `session …` its session; the rest is output. Steered
 * messages arrive on its standard input.
 */
class ScriptedAgent implements Agent {
  readonly name: string = 'builtin';
  readonly title = 'Scripted';
  readonly steerable = true;
  readonly resumable = true;
  readonly readOnlyPaths = [];
  script = 'echo done nothing';
  version: AgentVersion = { available: true, version: '1', wantedVersion: '1', install: null };
  takes = true;
  /** The context of each start. */
  readonly contexts: AgentContext[] = [];
  readonly offered: string[] = [];

  probe = async () => this.version;

  start(context: AgentContext): AgentRun {
    this.contexts.push(context);
    const env = { INSTRUCTION: context.instruction, RESUMED: context.resume ?? '' };
    const process = context.spawn(['sh', '-c', this.script], env);
    let outcome: AgentOutcome = { kind: 'failed', reason: 'agent_error', message: 'No result.' };
    const lines = createInterface({ input: process.stdout });
    lines.on('line', line => {
      const [word, ...rest] = line.split(' ');
      const text = rest.join(' ');
      if (word === 'done') outcome = { kind: 'succeeded', summary: text };
      else if (word === 'fail') {
        outcome = { kind: 'failed', reason: 'agent_error', message: text };
      } else context.emit(eventOf(word, text, line));
    });
    process.stderr.resume();
    return {
      done: process.exited.then(() => outcome),
      steer: async text => {
        this.offered.push(text);
        if (this.takes) process.stdin.write(`${text}\n`);
        return this.takes;
      },
      stop: signal => process.kill(signal),
    };
  }
}

function eventOf(word: string | undefined, text: string, line: string): NewEvent {
  if (word === 'session') {
    return { type: 'agent.session', data: { session_id: text, model: null } };
  }
  if (word === 'tool') {
    return { type: 'tool.finished', data: { call_id: '1', status: 'ok', exit_code: 0 } };
  }
  return { type: 'agent.output', data: { stream: 'stdout' }, private: { text: `${line}\n` } };
}

/** A gateway that records tokens and listeners. */
class TestGateway implements ModelGateway {
  readonly tokens = new Set<string>();
  readonly watched = new Map<
    string,
    { onCall(call: ModelCall): void; onBudget(notice: BudgetNotice): void }
  >();
  failIssuing: Error | null = null;

  async issueRunToken(_trx: unknown, run: { id: string }): Promise<string> {
    if (this.failIssuing) throw this.failIssuing;
    this.tokens.add(run.id);
    return `rt_${run.id}`;
  }

  async revokeRunTokens(_trx: unknown, runId: string): Promise<void> {
    this.tokens.delete(runId);
  }

  handle: ModelGateway['handle'] = (_request, response, { runId }) => {
    response.end(runId);
  };

  watch: ModelGateway['watch'] = (runId, listener) => {
    this.watched.set(runId, listener);
    return () => this.watched.delete(runId);
  };
}

export interface Bench {
  readonly host: RunsHost;
  readonly world: World;
  readonly agent: ScriptedAgent;
  readonly gateway: TestGateway;
  readonly worker: RunWorker;
  readonly deps: WorkerDeps;
  /** Starts a run of a new task on the world's repository; the worker gets its job. */
  begin(options?: {
    testCommand?: string;
    agent?: string;
    baseRef?: string;
    path?: string;
  }): Promise<string>;
  run(id: string): Promise<Run>;
  events(id: string): Promise<{ type: string; data: Record<string, unknown> }[]>;
  types(id: string): Promise<string[]>;
  ended(id: string): Promise<Run>;
  /** Resolves once the agent wrote a file into the clone. */
  wrote(id: string, file: string): Promise<void>;
  post(path: string, body?: unknown): Promise<{ status: number; body: Record<string, unknown> }>;
}

export interface BenchOptions {
  readonly limits?: Partial<WorkerLimits>;
  /** Left out or changed ports. */
  readonly ports?: Partial<WorkerDeps>;
}

/** A worker on the host's database with a repository, a sandbox and one scripted agent. */
export async function openBench(host: RunsHost, options: BenchOptions = {}): Promise<Bench> {
  const world = await createWorld({ sealer: host.sealer });
  const [agent, gateway] = [new ScriptedAgent(), new TestGateway()];
  const deps: WorkerDeps = {
    ...host,
    doorbell: createProcessDoorbell(),
    driver: host.runs.driver,
    workspaces: world.workspaces,
    sandbox: world.sandbox,
    blobs: world.blobs,
    agents: [agent],
    gateway,
    ...options.ports,
    limits: { ...defaultWorkerLimits, ...LIMITS, ...options.limits },
  };
  const worker = new RunWorker(deps);
  await worker.start();
  onTestFinished(() => worker.stop());
  return { host, world, agent, gateway, worker, deps, ...viewsOf(host, world) };
}

function viewsOf(host: RunsHost, world: World) {
  const run = async (id: string) => (await host.send('GET', `/v1/runs/${id}`)).body as Run;
  /** The whole log: an agent may emit more than a page before what a test waits for. */
  const events: Bench['events'] = async id => {
    const all: Awaited<ReturnType<Bench['events']>> = [];
    for (let after: string | null = '0'; after !== null; ) {
      const { body } = await host.send('GET', `/v1/runs/${id}/events?limit=200&after=${after}`);
      all.push(...body.data);
      after = body.next_cursor;
    }
    return all;
  };
  const begin: Bench['begin'] = async (wanted = {}) => {
    const repo = await host.send('POST', '/v1/repos', {
      path: wanted.path ?? world.origin,
      ...(wanted.testCommand !== undefined && { test_command: wanted.testCommand }),
    });
    const task = { repo_id: repo.body.id, title: 'T', instruction: 'Do it.' };
    const { id } = (await host.send('POST', '/v1/tasks', task)).body;
    const started = await host.send('POST', `/v1/tasks/${id}/runs`, {
      agents: [wanted.agent ?? 'builtin'],
      ...(wanted.baseRef !== undefined && { base_ref: wanted.baseRef }),
    });
    if (started.status !== 202) throw new Error(JSON.stringify(started.body));
    return started.body.runs[0].id;
  };
  return {
    run,
    events,
    begin,
    types: async (id: string) => (await events(id)).map((event: { type: string }) => event.type),
    ended: (id: string) =>
      waitFor(async () => {
        const found = await run(id);
        if (['queued', 'running'].includes(found.status)) throw new Error(found.status);
        return found;
      }),
    wrote: (id: string, file: string) =>
      waitFor(() => {
        if (!existsSync(join(cloneOf(world, id), file))) throw new Error(`no ${file}`);
      }),
    post: (path: string, body?: unknown) => host.send('POST', path, body),
  };
}

export function cloneOf(world: World, id: string): string {
  return join(world.dir, 'runs', id, 'workspace');
}

export function waitFor<T>(look: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(look, { timeout: WAIT_MS, interval: 50 });
}

/** Processes on this machine, of other test runs too, whose command line holds `mark`. */
export function processesWith(mark: string): number[] {
  const pids = readdirSync('/proc').filter(name => /^\d+$/.test(name));
  return pids.map(Number).filter(pid => {
    try {
      return pid !== process.pid && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(mark);
    } catch {
      return false;
    }
  });
}

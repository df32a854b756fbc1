import type { AgentInfo, EventEnvelope, Repo, Run } from '@holdfast/protocol';
import { type PageHeaders, RunsApi, signIn } from '../../tests/e2e/harness/runs.ts';
import {
  type Server,
  startServer,
  startSimulatorProcess,
  stopServer,
  UPSTREAM_KEY,
} from '../../tests/e2e/harness/stacks.ts';

/** Nothing listens on the discard port. */
const DISCARD = 'http://127.0.0.1:9';
/** A run without output for this long ends as `no_output`; agents start within it. */
const SILENCE_LIMIT_S = 30;
const CONCURRENCY = 2;
/** Includes the time that an agent waits for a slot. */
const ENDED_TIMEOUT_MS = 300_000;

/** A server with the agents, and the API of its runs. */
class Host {
  readonly api: RunsApi;
  readonly #admin: RunsApi;

  constructor(server: Server, admin: PageHeaders) {
    this.api = new RunsApi(server.url);
    this.#admin = new RunsApi(server.url, admin);
  }

  async agents(): Promise<AgentInfo[]> {
    return (await this.api.get<{ data: AgentInfo[] }>('/v1/agents')).data;
  }

  /** A run on a task of its own. */
  async start(agent: string, instruction: string): Promise<Run> {
    const { id: repo_id }: Repo = await this.api.sample();
    const task = await this.api.post('/v1/tasks', { repo_id, title: agent, instruction });
    const [started] = await this.api.start(task.id, [agent]);
    return this.api.run(started!.id);
  }

  async finish(agent: string, instruction: string): Promise<Ended> {
    const { id } = await this.start(agent, instruction);
    return this.ended(id);
  }

  /** Everything of a run, once it has ended. */
  async ended(id: string): Promise<Ended> {
    const events = await this.api.follow(id, ENDED_TIMEOUT_MS);
    return { run: await this.api.run(id), events };
  }

  /** The limit of each run; null: none. */
  async limitRuns(limit_usd: number | null): Promise<void> {
    if (limit_usd !== null) {
      await this.#admin.put('/v1/budgets', { scope: 'run', limit_usd });
      return;
    }
    const { data } = await this.#admin.get<{ data: { id: string }[] }>('/v1/budgets');
    for (const { id } of data) await this.#admin.request(`/v1/budgets/${id}`, { method: 'DELETE' });
  }
}

export interface Ended {
  readonly run: Run;
  readonly events: readonly EventEnvelope[];
}

/** Real servers, each with its own data: one on the simulator, one whose models do not answer. */
export interface World {
  readonly host: Host;
  readonly deserted: Host;
  stop(): Promise<void>;
}

/** `agentsDir` is filled as by `npm install --prefix`. The caller stops it. */
export async function openWorld(agentsDir: string): Promise<World> {
  const undo: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  const open = async (modelsUrl: string) => {
    const server = await startServer(environment(agentsDir, modelsUrl));
    undo.push(() => stopServer(server));
    return new Host(server, await signIn(server));
  };
  try {
    const simulator = await startSimulatorProcess();
    undo.push(() => simulator.process.kill());
    return { host: await open(simulator.url), deserted: await open(DISCARD), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function environment(agentsDir: string, modelsUrl: string): Record<string, string> {
  return {
    HOLDFAST_AGENTS_DIR: agentsDir,
    HOLDFAST_RUNS_CONCURRENCY: String(CONCURRENCY),
    HOLDFAST_RUNS_SILENCE_LIMIT: String(SILENCE_LIMIT_S),
    OPENAI_BASE_URL: `${modelsUrl}/v1`,
    OPENAI_API_KEY: UPSTREAM_KEY,
    ANTHROPIC_BASE_URL: modelsUrl,
    ANTHROPIC_API_KEY: UPSTREAM_KEY,
    GOOGLE_GEMINI_BASE_URL: modelsUrl,
    GEMINI_API_KEY: UPSTREAM_KEY,
  };
}

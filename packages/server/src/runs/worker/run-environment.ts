import { HoldfastError } from '../../kernel/index.ts';
import type { NewEvent } from '../../platform/log/index.ts';
import type { Agent, AgentContext } from '../agents/agent.ts';
import { attemptOver, type ClaimedRun } from '../claimed-run.ts';
import type { SandboxCommand, SandboxedProcess, SandboxMounts } from '../sandbox/sandbox.ts';
import * as store from '../store.ts';
import type { Workspace, WorkspaceRequest } from '../workspace/workspace.ts';
import type { WorkerDeps } from './deps.ts';
import { type DiskExcess, DiskWatch } from './disk-watch.ts';
import { MemoryWatch } from './memory-watch.ts';
import { listenOnUnixSocket, openModelSocket, type RunSocket } from './sockets.ts';

/** The run's token outlives its hard limit a little, for open calls. */
const TOKEN_SPARE_MS = 5 * 60_000;

/** The parts of an environment, with the steps that remove them, newest last. */
interface Parts {
  readonly token: string;
  readonly workspace: Workspace;
  readonly mounts: SandboxMounts;
  /** The gateway's address where the sandbox does not isolate. */
  readonly gatewayUrl: string | null;
  readonly usage: UsageRecorder;
  readonly undo: (() => Promise<unknown>)[];
}

/** A run's workspace, its sockets to models and network, and how processes are started there. */
export class RunEnvironment {
  readonly workspace: Workspace;
  readonly mounts: SandboxMounts;
  readonly #deps: WorkerDeps;
  readonly #run: ClaimedRun;
  readonly #parts: Parts;
  #processes: readonly SandboxedProcess[] = [];
  #ranOutOfMemory = false;

  /** Prepares the workspace, from the base or from a checkpoint, and opens the models to it. */
  static async open(deps: WorkerDeps, run: ClaimedRun): Promise<RunEnvironment> {
    const { sandbox, gateway } = deps;
    const undo: Parts['undo'] = [];
    try {
      // First, because starting processes is slow: the claim's event goes out before.
      const token = await issueToken(deps, run);
      const workspace = await openWorkspace(deps, run);
      undo.push(() => workspace.remove());
      const model = await openModelSocket({
        listener: (request, response) => gateway.handle(request, response, { runId: run.id }),
        tcp: !sandbox.isolated,
        owner: sandbox.ownerOf(run.id),
      });
      undo.push(() => model.close());
      const proxy = await openProxySocket(deps, run);
      if (proxy !== null) undo.push(() => proxy.close());
      const usage = new UsageRecorder(deps, run);
      undo.push(async () => usage.stop());
      const mounts = {
        workspace: workspace.dir,
        home: workspace.homeDir,
        readOnly: workspace.readOnlyPaths,
        gatewaySocket: model.path,
        proxySocket: proxy?.path ?? null,
      };
      const parts = { token, workspace, mounts, gatewayUrl: model.url, usage, undo };
      return new RunEnvironment(deps, run, parts);
    } catch (error) {
      await undoAll(deps, run, undo);
      throw error;
    }
  }

  private constructor(deps: WorkerDeps, run: ClaimedRun, parts: Parts) {
    this.#deps = deps;
    this.#run = run;
    this.#parts = parts;
    this.workspace = parts.workspace;
    this.mounts = parts.mounts;
  }

  /** `readOnly`: further host paths that the process must be able to read. */
  spawn(
    command: readonly string[],
    env: Readonly<Record<string, string>>,
    readOnly: readonly string[] = [],
  ): SandboxedProcess {
    const mounts = { ...this.mounts, readOnly: [...this.mounts.readOnly, ...readOnly] };
    return this.#spawn({ command, env, mounts });
  }

  #spawn(command: SandboxCommand): SandboxedProcess {
    const process = this.#deps.sandbox.spawn(command);
    this.#processes = [...this.#processes, process];
    void process.exited.then(() => {
      this.#ranOutOfMemory ||= process.ranOutOfMemory;
      this.#processes = this.#processes.filter(one => one !== process);
    });
    return process;
  }

  /**
   * Starts the repository's own command, with an empty home and no way to models: what the agent
   * left in its home, and the run's money, are none of the tests'.
   */
  async spawnTests(command: string): Promise<SandboxedProcess> {
    await this.workspace.emptyTestHome();
    const mounts = { ...this.mounts, home: this.workspace.testHomeDir, gatewaySocket: null };
    return this.#spawn({ command: ['sh', '-c', command], env: {}, mounts });
  }

  agentContext(
    agent: Agent,
    { resume, emit }: Pick<AgentContext, 'resume' | 'emit'>,
  ): AgentContext {
    const paths = this.#deps.sandbox.paths(this.mounts);
    return {
      instruction: this.#run.instruction,
      resume,
      model: this.#run.model,
      workspaceDir: paths.workspace,
      homeDir: paths.home,
      gatewayUrl: paths.gatewayUrl ?? this.#parts.gatewayUrl ?? '',
      token: this.#parts.token,
      spawn: (command, env) => this.spawn(command, env, agent.readOnlyPaths),
      emit,
    };
  }

  /** Whether the kernel has ended a process of the run for its memory. */
  get ranOutOfMemory(): boolean {
    return this.#ranOutOfMemory;
  }

  /**
   * Calls `onOver` when the run takes more disk, files or memory than it may, until the answer is
   * called or the environment is closed.
   */
  watch(onOver: (excess: DiskExcess | 'memory_limit') => void): () => void {
    const { dir, homeDir, testHomeDir, objectsDir } = this.workspace;
    const { limits } = this.#deps;
    const disk = new DiskWatch([dir, homeDir, testHomeDir, objectsDir], limits, onOver);
    const memory = new MemoryWatch(
      () => this.#processes,
      limits,
      () => onOver('memory_limit'),
    );
    const stop = () => {
      disk.stop();
      memory.stop();
    };
    this.#parts.undo.push(async () => stop());
    return stop;
  }

  /** Resolves once all calls that the gateway has settled are written. Never rejects. */
  settled(): Promise<void> {
    return this.#parts.usage.written;
  }

  /** Removes clone, home and sockets; patch and checkpoints stay. Never rejects. */
  async close(): Promise<void> {
    await undoAll(this.#deps, this.#run, this.#parts.undo);
  }
}

async function undoAll(
  { telemetry }: WorkerDeps,
  run: ClaimedRun,
  undo: Parts['undo'],
): Promise<void> {
  for (const step of undo.splice(0).toReversed()) {
    await step().catch((error: unknown) => {
      telemetry.log.warn('run.cleanup_failed', { run_id: run.id, error });
    });
  }
}

/**
 * Revokes earlier tokens: the agent of an earlier attempt, if it still runs somewhere, can spend
 * nothing more. Throws `conflict` when the attempt is over: the present token belongs to its
 * successor.
 */
function issueToken({ database, gateway, limits }: WorkerDeps, run: ClaimedRun): Promise<string> {
  return database.transaction(async trx => {
    const row = await store.lockRun(trx, run.id);
    if (row?.attempt !== run.attempt || row.status !== 'running') throw attemptOver();
    await gateway.revokeRunTokens(trx, run.id);
    const subject = { id: run.id, projectId: run.project_id, owner: run.created_by };
    return gateway.issueRunToken(trx, subject, limits.hardTimeMs + TOKEN_SPARE_MS);
  });
}

/** The checkpoint of an earlier attempt, of the run this one continues, or the base. */
async function openWorkspace({ workspaces }: WorkerDeps, run: ClaimedRun): Promise<Workspace> {
  const { repository, base_ref: baseRef, continues } = run;
  const baseCommit = run.base_commit ?? continues?.base_commit ?? null;
  const request: WorkspaceRequest = { runId: run.id, repository, baseRef, baseCommit };
  const saved = run.checkpoint ?? continues?.checkpoint;
  if (saved == null) {
    // Its objects may still be here, until this worker tidies its disk.
    if (continues?.erased) throw new HoldfastError('gone', 'The run to continue was erased.');
    if (continues?.head_commit == null) return workspaces.prepare(request);
    // Checkpoints of ended runs are not kept for ever; their objects may still be on this worker.
    const { id: runId, head_commit: commit } = continues;
    return workspaces.prepare({ ...request, continues: { runId, commit } });
  }
  const checkpoint = await workspaces.readCheckpoint(saved.manifest_key);
  return workspaces.restore(request, checkpoint);
}

/** Null where no host is allowed, and where the sandbox does not isolate. */
async function openProxySocket(
  { egress, sandbox }: WorkerDeps,
  run: ClaimedRun,
): Promise<RunSocket | null> {
  if (egress === undefined || !sandbox.isolated) return null;
  const proxy = egress.openProxy(run.id);
  const socket = await listenOnUnixSocket(proxy.server, 'proxy.sock', sandbox.ownerOf(run.id));
  return {
    path: socket.path,
    close: async () => {
      await proxy.close();
      await socket.remove();
    },
  };
}

/** Writes the calls that the gateway settles, one after the other, so that totals and log agree. */
class UsageRecorder {
  /** Resolves when all calls until now are written. Never rejects. */
  written = Promise.resolve();
  readonly stop: () => void;
  readonly #deps: WorkerDeps;
  readonly #run: ClaimedRun;

  constructor(deps: WorkerDeps, run: ClaimedRun) {
    this.#deps = deps;
    this.#run = run;
    this.stop = deps.gateway.watch(run.id, {
      onCall: call => this.#afterwards(() => deps.driver.recordUsage(run, call)),
      onBudget: ({ scope, percent, spentUsd, limitUsd }) => {
        const event: NewEvent = {
          type: 'budget.reached',
          data: { scope, percent, spent_usd: spentUsd, limit_usd: limitUsd },
        };
        this.#afterwards(() => deps.driver.append(run, [event]));
      },
    });
  }

  #afterwards(write: () => Promise<void>): void {
    this.written = this.written.then(write).catch((error: unknown) => {
      this.#deps.telemetry.log.warn('run.usage_lost', { run_id: this.#run.id, error });
    });
  }
}

import type { NewEvent } from '../../platform/log/index.ts';
import type { Agent, AgentContext } from '../agents/agent.ts';
import type { HeldRun } from '../claimed-run.ts';
import { attemptOver } from '../fenced.ts';
import type { SandboxedProcess, SandboxMounts } from '../sandbox/sandbox.ts';
import * as store from '../store.ts';
import type { Workspace, WorkspaceRequest } from '../workspace/workspace.ts';
import type { WorkerDeps } from './deps.ts';
import { DiskWatch } from './disk-watch.ts';
import { type ModelSocket, openModelSocket } from './sockets.ts';
import { listenOnUnixSocket } from './unix-socket.ts';

/** A run's workspace, its sockets to models and network, and how processes are started there. */
export interface RunPlace {
  readonly workspace: Workspace;
  readonly mounts: SandboxMounts;
  spawn(command: readonly string[], env: Readonly<Record<string, string>>): SandboxedProcess;
  agentContext(agent: Agent, options: { resume: string | null }): Omit<AgentContext, 'emit'>;
  /**
   * Tells once when clone and home take more disk than they may, until the answer is called or
   * the place is closed.
   */
  watchDisk(onOver: () => void): () => void;
  /** What the gateway has settled so far is written. Never rejects. */
  settled(): Promise<void>;
  /** Removes clone, home and sockets; what was delivered and saved stays. Never rejects. */
  close(): Promise<void>;
}

/** The run's token outlives its hard limit a little, for what is under way then. */
const TOKEN_SPARE_MS = 5 * 60_000;

/** Prepares the workspace, from the base or from a checkpoint, and opens the models to it. */
export async function openPlace(deps: WorkerDeps, run: HeldRun): Promise<RunPlace> {
  const { sandbox, gateway, telemetry } = deps;
  const undo: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const step of undo.splice(0).toReversed()) {
      await step().catch((error: unknown) => {
        telemetry.log.warn('run.cleanup_failed', { run_id: run.id, error });
      });
    }
  };
  try {
    // Before any process is started, which holds this one up: what the claim said goes out first.
    const token = await issueToken(deps, run);
    const workspace = await openWorkspace(deps, run);
    undo.push(() => workspace.remove());
    const socket = await openModelSocket({
      listener: (request, response) => gateway.handle(request, response, { runId: run.id }),
      tcp: !sandbox.isolated,
      ...(sandbox.owner && { owner: sandbox.owner }),
    });
    undo.push(() => socket.close());
    const proxy = await openProxySocket(deps, run);
    if (proxy !== null) undo.push(() => proxy.close());
    const spending = watchSpending(deps, run);
    undo.push(async () => spending.unwatch());
    const { settled } = spending;
    const watchDisk = (onOver: () => void) => {
      const unwatch = watchSize(deps, workspace, onOver);
      undo.push(async () => unwatch());
      return unwatch;
    };
    return {
      ...placeOf(deps, run, { workspace, socket, token, proxySocket: proxy?.path ?? null }),
      ...{ settled, watchDisk, close },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function watchSize({ limits }: WorkerDeps, of: Workspace, onOver: () => void): () => void {
  const watch = new DiskWatch([of.dir, of.homeDir], limits, onOver);
  return () => watch.stop();
}

/** Only where there is an isolation that the proxy could be a way out of. */
async function openProxySocket(
  { outbound, sandbox }: WorkerDeps,
  run: HeldRun,
): Promise<{ readonly path: string; close(): Promise<void> } | null> {
  if (outbound === undefined || !sandbox.isolated) return null;
  const proxy = outbound.openProxy(run.id);
  const socket = await listenOnUnixSocket(proxy.server, 'proxy.sock', sandbox.owner);
  const close = async () => {
    await proxy.close();
    await socket.remove();
  };
  return { path: socket.path, close };
}

/**
 * The agent of an earlier attempt, should it still run somewhere, can spend nothing any more.
 * Throws `conflict` when the attempt is over: the token that is there is its successor's by then.
 */
function issueToken({ database, gateway, limits }: WorkerDeps, run: HeldRun): Promise<string> {
  const owner = { id: run.id, projectId: run.projectId, owner: run.createdBy };
  return database.transaction(async trx => {
    const row = await store.lockRun(trx, run.id);
    if (row?.attempt !== run.attempt || row.status !== 'running') throw attemptOver();
    await gateway.revokeRunTokens(trx, run.id);
    return gateway.issueRunToken(trx, owner, limits.hardTimeMs + TOKEN_SPARE_MS);
  });
}

interface PlaceParts {
  readonly workspace: Workspace;
  readonly socket: ModelSocket;
  readonly token: string;
  readonly proxySocket: string | null;
}

function placeOf(
  { sandbox }: WorkerDeps,
  run: HeldRun,
  { workspace, socket, token, proxySocket }: PlaceParts,
): Omit<RunPlace, 'settled' | 'watchDisk' | 'close'> {
  const mounts: SandboxMounts = {
    workspace: workspace.dir,
    home: workspace.homeDir,
    readOnly: workspace.readOnlyPaths,
    gatewaySocket: socket.path,
    proxySocket,
  };
  const paths = sandbox.paths(mounts);
  const spawnWith = (readOnly: readonly string[]): RunPlace['spawn'] => {
    const visible = { ...mounts, readOnly: [...mounts.readOnly, ...readOnly] };
    return (command, env) => sandbox.spawn({ command, env, mounts: visible });
  };
  return {
    workspace,
    mounts,
    spawn: spawnWith([]),
    agentContext: (agent, { resume }) => ({
      instruction: run.instruction,
      resume,
      model: run.model,
      workspaceDir: paths.workspace,
      homeDir: paths.home,
      gatewayUrl: paths.gatewayUrl ?? socket.url ?? '',
      token,
      spawn: spawnWith(agent.readOnlyPaths),
    }),
  };
}

/** The checkpoint of an earlier attempt, of the run this one continues, or the base. */
async function openWorkspace(deps: WorkerDeps, run: HeldRun): Promise<Workspace> {
  const { workspaces } = deps;
  const { repository, baseRef, continues } = run;
  const request: WorkspaceRequest = {
    runId: run.id,
    repository,
    baseRef,
    baseCommit: run.baseCommit,
  };
  const checkpoint = run.checkpoint ?? continues?.checkpoint;
  // Checkpoints of ended runs are not kept for ever; their commits may still be in the mirror.
  const baseCommit = run.baseCommit ?? continues?.headCommit ?? null;
  if (checkpoint == null) return workspaces.prepare({ ...request, baseCommit });
  const manifest = await workspaces.readManifest(checkpoint.manifest_key);
  return workspaces.restore({ ...request, baseCommit: manifest.baseCommit }, manifest);
}

/** What the gateway settles is written one after the other, so that totals and log agree. */
function watchSpending(
  deps: WorkerDeps,
  run: HeldRun,
): { unwatch(): void; settled(): Promise<void> } {
  let last = Promise.resolve();
  const then = (work: () => Promise<void>) => {
    last = last.then(work).catch((error: unknown) => {
      deps.telemetry.log.warn('run.usage_lost', { run_id: run.id, error });
    });
  };
  const unwatch = deps.gateway.watch(run.id, {
    onCall: call => then(() => deps.driver.recordUsage(run, call)),
    onBudget: notice => {
      const { scope, percent } = notice;
      const data = { scope, percent, spent_usd: notice.spentUsd, limit_usd: notice.limitUsd };
      const event: NewEvent = { type: 'budget.reached', data };
      then(() => deps.driver.append(run, [event]));
    },
  });
  return { unwatch, settled: () => last };
}

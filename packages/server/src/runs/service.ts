import type { Readable } from 'node:stream';
import type {
  AgentInfo,
  Artifact,
  EventEnvelope,
  NewRuns,
  Run,
  RunStatus,
} from '@holdfast/protocol';
import { sql } from 'kysely';
import { notFound } from '../auth/index.ts';
import { HoldfastError, newUuidV7 } from '../kernel/index.ts';
import type { BlobStore } from '../platform/blobs/index.ts';
import type { Trx } from '../platform/database/index.ts';
import type { NewEvent } from '../platform/log/index.ts';
import {
  type Caller,
  cursorId,
  cursorOf,
  type Page,
  readEvents,
  seesPrivate,
  withIdempotency,
} from '../work/index.ts';
import { type AccessDeps, accessRun, accessTask } from './access.ts';
import { endOf } from './finish-run.ts';
import { outputsOf } from './log-text.ts';
import type { StartedRuns } from './new-runs.ts';
import { presentArtifact, presentRun } from './present.ts';
import { pushable, writeIntent } from './push-branch.ts';
import * as queries from './queries.ts';
import { Admission } from './queue-limit.ts';
import { isFinal, isRetryable, nextStatus } from './run.ts';
import type { DriverDeps } from './run-driver.ts';
import { retryRun, startRuns } from './start-run.ts';
import * as store from './store.ts';
import { tables } from './tables.ts';

/** The verbs on runs that people use through the API. */
export interface RunsService {
  /** A run for each agent, on a new message or an earlier one. */
  start(caller: Caller, taskId: string, request: NewRuns): Promise<StartedRuns>;
  list(caller: Caller, query: RunListQuery): Promise<Page<Run>>;
  get(caller: Caller, id: string): Promise<Run>;
  /** The log, oldest first; private fields for the creator and Admins only. */
  events(
    caller: Caller,
    id: string,
    page: { after: number; limit: number },
  ): Promise<EventEnvelope[]>;
  /**
   * Ends a run that waits; asks the worker of one that runs, which keeps the work. Canceling an
   * ended run, or twice, is no error.
   */
  cancel(caller: Caller, id: string): Promise<Run>;
  /** A new run of the same work. Throws `conflict` unless it failed or was canceled. */
  retry(caller: Caller, id: string): Promise<StartedRuns>;
  /** Chooses it among the runs of its task; choosing it again is no error. */
  pick(caller: Caller, id: string): Promise<Run>;
  /**
   * Asks for its branch to be pushed to the remote; a worker does it. While a push is under way
   * another changes nothing. Throws `conflict` before its end, `unprocessable` without work.
   */
  push(caller: Caller, id: string): Promise<Run>;
  /** The caller consumes or destroys the body. Throws `not_found` until there is a patch. */
  patch(caller: Caller, id: string): Promise<{ body: Readable; sizeBytes: number }>;
  /** All that agent and tools wrote, as plain text; for the creator and Admins. */
  logs(caller: Caller, id: string): Promise<Readable>;
  artifacts(caller: Caller, id: string): Promise<Artifact[]>;
}

export interface RunListQuery {
  readonly cursor?: string | undefined;
  readonly limit: number;
  readonly taskId?: string | undefined;
  readonly status?: RunStatus | undefined;
}

export interface RunsServiceDeps extends AccessDeps, DriverDeps {
  /** Runs of one owner that may wait. Default `QUEUED_RUNS_MAX`. */
  readonly queuedMax?: number | undefined;
  readonly blobs: BlobStore;
  /** The agents that somewhere in this installation can be run. */
  readonly agents: () => Promise<{ data: AgentInfo[]; isolation_note: string | null }>;
  readonly agentNames: readonly string[];
  /** Throws `unknown_model` where no agent could get this model from the gateway. */
  readonly checkModel?: (name: string) => void;
}

export function createRunsService(deps: RunsServiceDeps): RunsService {
  const starting = { ...deps, admission: new Admission(deps) };
  return {
    start: (caller, taskId, request) => startRuns(starting, caller, taskId, request),
    list: (caller, query) => list(deps, caller, query),
    async get(caller, id) {
      return present(deps, caller, await accessRun(deps, caller, id, 'runs.read'));
    },
    async events(caller, id, page) {
      const row = await accessRun(deps, caller, id, 'runs.read');
      return readEvents(deps, caller, row, { ...page, action: 'runs.events' });
    },
    cancel: (caller, id) => cancel(deps, caller, id),
    async retry(caller, id) {
      const run = await accessRun(deps, caller, id, 'runs.control');
      if (isRetryable(run.status)) return retryRun(starting, caller, run);
      const text = isFinal(run.status) ? 'A run that succeeded' : 'A run that has not ended';
      throw new HoldfastError('conflict', `${text} cannot be tried again.`);
    },
    pick: (caller, id) => pick(deps, caller, id),
    push: (caller, id) => push(deps, caller, id),
    patch: (caller, id) => patch(deps, caller, id),
    async logs(caller, id) {
      await accessRun(deps, caller, id, 'runs.private');
      return outputsOf(deps, id);
    },
    async artifacts(caller, id) {
      await accessRun(deps, caller, id, 'runs.read');
      return (await queries.listArtifacts(deps.database.db, id)).map(presentArtifact);
    },
  };
}

async function present(
  deps: RunsServiceDeps,
  { principal }: Caller,
  row: queries.RunView,
): Promise<Run> {
  if (!seesPrivate(principal, row.created_by)) return presentRun(row, null);
  if (row.summary_key_id === null || row.summary_data === null) return presentRun(row, '');
  const sealed = { keyId: row.summary_key_id, ciphertext: row.summary_data };
  const summary = await deps.sealer.open(deps.database.db, row.id, sealed);
  return presentRun(row, typeof summary === 'string' ? summary : null);
}

async function list(
  deps: RunsServiceDeps,
  caller: Caller,
  query: RunListQuery,
): Promise<Page<Run>> {
  const { taskId, status, limit } = query;
  if (taskId !== undefined) await accessTask(deps, caller, taskId, 'runs.read');
  const rows = await queries.listRuns(deps.database.db, {
    projectId: caller.principal.projectId,
    taskId,
    status,
    before: cursorId('run', query.cursor),
    limit: limit + 1,
  });
  const shown = rows.slice(0, limit);
  return {
    data: await Promise.all(shown.map(row => present(deps, caller, row))),
    next_cursor: rows.length > limit ? cursorOf(shown.at(-1)!.id) : null,
  };
}

/**
 * A change that may be asked for again. What is kept for the key is only whether there was one: the
 * answer shows how things stand, and may hold what is private. False when nothing is new.
 */
async function change(
  deps: RunsServiceDeps,
  caller: Caller,
  work: (trx: Trx) => Promise<boolean>,
): Promise<boolean> {
  const steps = { status: 200, prepare: async () => {}, work };
  const { answer, repeated } = await withIdempotency(deps.database, caller.idempotency, steps);
  return answer && !repeated;
}

async function cancel(deps: RunsServiceDeps, caller: Caller, id: string): Promise<Run> {
  await accessRun(deps, caller, id, 'runs.control');
  const actor = caller.principal.id;
  const changed = await change(deps, caller, async trx => {
    const row = await store.lockRun(trx, id);
    if (row === undefined || isFinal(row.status) || row.cancel_requested_at !== null) return false;
    await writeCancel(deps, trx, row, actor);
    return true;
  });
  if (changed) {
    deps.log.ring(id);
    deps.telemetry.log.info('run.cancel_requested', { run_id: id, actor });
  }
  return present(deps, caller, (await queries.findRun(deps.database.db, id))!);
}

/** A run that waits ends at once; one that runs is ended by its worker. */
async function writeCancel(
  deps: RunsServiceDeps,
  trx: Trx,
  row: store.LockedRun,
  actor: string,
): Promise<void> {
  await store.setCancelRequested(trx, row.id);
  const events: NewEvent[] = [{ type: 'run.cancel_requested', data: {} }];
  if (nextStatus(row.status, { type: 'cancel' }) === 'canceled') {
    const end = { status: 'canceled', reason: 'canceled' } as const;
    const { facts, event } = await endOf(deps, trx, row, end);
    await store.setFinal(trx, row.id, facts);
    events.push(event);
  }
  await deps.log.append(trx, { subject: row.id, actor, appendId: newUuidV7(), events });
}

async function pick(deps: RunsServiceDeps, caller: Caller, id: string): Promise<Run> {
  const run = await accessRun(deps, caller, id, 'runs.control');
  if (!isFinal(run.status)) {
    throw new HoldfastError('conflict', 'A run that has not ended cannot be chosen.');
  }
  const changed = await change(deps, caller, async trx => {
    const task = await tables(trx)
      .updateTable('tasks')
      .set({ picked_run_id: id, column_override: null, updated_at: sql<Date>`now()` })
      .where('id', '=', run.task_id)
      .where(eb => eb.or([eb('picked_run_id', 'is', null), eb('picked_run_id', '!=', id)]))
      .returning('id')
      .executeTakeFirst();
    if (task === undefined) return false;
    await deps.log.append(trx, {
      subject: id,
      actor: caller.principal.id,
      appendId: newUuidV7(),
      events: [{ type: 'run.picked', data: {} }],
    });
    return true;
  });
  if (changed) deps.log.ring(id);
  return present(deps, caller, (await queries.findRun(deps.database.db, id))!);
}

async function push(deps: RunsServiceDeps, caller: Caller, runId: string): Promise<Run> {
  pushable(await accessRun(deps, caller, runId, 'runs.control'));
  const actor = caller.principal.id;
  const changed = await change(deps, caller, trx => writeIntent(deps, trx, { runId, actor }));
  if (changed) {
    deps.log.ring(runId);
    deps.telemetry.log.info('push.intended', { run_id: runId, actor });
  }
  return present(deps, caller, (await queries.findRun(deps.database.db, runId))!);
}

async function patch(deps: RunsServiceDeps, caller: Caller, id: string) {
  await accessRun(deps, caller, id, 'runs.read');
  const artifact = await queries.findPatch(deps.database.db, id);
  if (artifact === undefined) throw notFound();
  const blob = await deps.blobs.get(artifact.blob_key);
  if (blob === null) {
    deps.telemetry.log.alert('run.blob_missing', { run_id: id, artifact_id: artifact.id });
    throw new HoldfastError('unavailable', 'The patch of this run cannot be read now.');
  }
  return { body: blob.body, sizeBytes: blob.info.sizeBytes };
}

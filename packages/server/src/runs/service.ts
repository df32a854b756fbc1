import type { Readable } from 'node:stream';
import type { Artifact, EventEnvelope, NewRuns, Run, RunStatus } from '@holdfast/protocol';
import { notFound } from '../auth/index.ts';
import { HoldfastError, newUuidV7 } from '../kernel/index.ts';
import { getSealed } from '../platform/blobs/index.ts';
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
import { accessRun, accessTask } from './access.ts';
import type { RunsServiceDeps } from './deps.ts';
import { endOf } from './finish-run.ts';
import { logTextOf } from './log-text.ts';
import { presentArtifact, presentRun } from './present.ts';
import { pushable, writeIntent } from './push-branch.ts';
import * as queries from './queries.ts';
import { QueueLimit } from './queue-limit.ts';
import { isFinal, isRetryable, nextStatus } from './run.ts';
import { retryRun, type StartDeps, type StartedRuns, startRuns } from './start-run.ts';
import * as store from './store.ts';

interface RunListQuery {
  readonly cursor?: string | undefined;
  readonly limit: number;
  readonly taskId?: string | undefined;
  readonly status?: RunStatus | undefined;
}

/** The verbs on runs that people use through the API. */
export class RunsService {
  readonly #deps: StartDeps;

  constructor(deps: RunsServiceDeps) {
    this.#deps = { ...deps, queueLimit: new QueueLimit(deps) };
  }

  /** A run for each agent, on a new message or an earlier one. */
  start(caller: Caller, taskId: string, request: NewRuns): Promise<StartedRuns> {
    return startRuns(this.#deps, caller, taskId, request);
  }

  async list(caller: Caller, query: RunListQuery): Promise<Page<Run>> {
    const { taskId, status, limit } = query;
    if (taskId !== undefined) await accessTask(this.#deps, caller, taskId, 'runs.read');
    const rows = await queries.listRuns(this.#deps.database.db, {
      projectId: caller.principal.projectId,
      taskId,
      status,
      before: cursorId('run', query.cursor),
      limit: limit + 1,
    });
    const page = rows.slice(0, limit);
    return {
      data: await Promise.all(page.map(row => this.#present(caller, row))),
      next_cursor: rows.length > limit ? cursorOf(page.at(-1)!.id) : null,
    };
  }

  async get(caller: Caller, id: string): Promise<Run> {
    return this.#present(caller, await accessRun(this.#deps, caller, id, 'runs.read'));
  }

  /** The log, oldest first; private fields for the creator and Admins only. */
  async events(
    caller: Caller,
    id: string,
    page: { readonly after: number; readonly limit: number },
  ): Promise<EventEnvelope[]> {
    const row = await accessRun(this.#deps, caller, id, 'runs.read');
    return readEvents(this.#deps, caller, row, { ...page, action: 'runs.events' });
  }

  /**
   * Ends a run that waits; asks the worker of a run at work, which keeps the work. Canceling an
   * ended run, or twice, is no error.
   */
  async cancel(caller: Caller, id: string): Promise<Run> {
    const { log, telemetry } = this.#deps;
    await accessRun(this.#deps, caller, id, 'runs.control');
    const actor = caller.principal.id;
    const changed = await this.#change(caller, async trx => {
      const row = await store.lockRun(trx, id);
      if (row === undefined || isFinal(row.status)) return false;
      if (row.cancel_requested_at !== null) return false;
      await store.setCancelRequested(trx, id);
      const events: NewEvent[] = [{ type: 'run.cancel_requested', data: {} }];
      if (nextStatus(row.status, { type: 'cancel' }) === 'canceled') {
        const end = { status: 'canceled', reason: 'canceled' } as const;
        const { columns, event } = await endOf(this.#deps, trx, row, end);
        await store.setFinal(trx, id, columns);
        events.push(event);
      }
      await log.append(trx, { subject: id, actor, appendId: newUuidV7(), events });
      return true;
    });
    if (changed) {
      log.ring(id);
      telemetry.log.info('run.cancel_requested', { run_id: id, actor });
    }
    return this.#presentById(caller, id);
  }

  /** A new run of the same work. Throws `conflict` unless it failed or was canceled. */
  async retry(caller: Caller, id: string): Promise<StartedRuns> {
    const run = await accessRun(this.#deps, caller, id, 'runs.control');
    if (isRetryable(run.status)) return retryRun(this.#deps, caller, run);
    const text = isFinal(run.status) ? 'A run that succeeded' : 'A run that has not ended';
    throw new HoldfastError('conflict', `${text} cannot be tried again.`);
  }

  /** Chooses it among the runs of its task; choosing it again is no error. */
  async pick(caller: Caller, id: string): Promise<Run> {
    const { log } = this.#deps;
    const run = await accessRun(this.#deps, caller, id, 'runs.control');
    if (!isFinal(run.status)) {
      throw new HoldfastError('conflict', 'A run that has not ended cannot be chosen.');
    }
    const changed = await this.#change(caller, async trx => {
      if (!(await store.setPicked(trx, run))) return false;
      await log.append(trx, {
        subject: id,
        actor: caller.principal.id,
        appendId: newUuidV7(),
        events: [{ type: 'run.picked', data: {} }],
      });
      return true;
    });
    if (changed) log.ring(id);
    return this.#presentById(caller, id);
  }

  /**
   * Asks for its branch to be pushed to the remote; a worker does it. While a push is under way
   * another changes nothing. Throws `conflict` before its end, `unprocessable` without work.
   */
  async push(caller: Caller, id: string): Promise<Run> {
    const { log, telemetry } = this.#deps;
    pushable(await accessRun(this.#deps, caller, id, 'runs.control'));
    const actor = caller.principal.id;
    const changed = await this.#change(caller, trx =>
      writeIntent(this.#deps, trx, { runId: id, actor }),
    );
    if (changed) {
      log.ring(id);
      telemetry.log.info('push.intended', { run_id: id, actor });
    }
    return this.#presentById(caller, id);
  }

  /** The caller consumes or destroys the body. Throws `not_found` until there is a patch. */
  async patch(caller: Caller, id: string): Promise<{ body: Readable; sizeBytes: number }> {
    const { database, blobs, sealer, telemetry } = this.#deps;
    await accessRun(this.#deps, caller, id, 'runs.read');
    const artifact = await queries.findPatch(database.db, id);
    if (artifact === undefined) throw notFound();
    const body = await getSealed({ blobs, sealer }, artifact.blob_key);
    if (body === null) {
      telemetry.log.alert('run.blob_missing', { run_id: id, artifact_id: artifact.id });
      throw new HoldfastError('unavailable', 'The patch of this run cannot be read now.');
    }
    return { body, sizeBytes: artifact.size_bytes };
  }

  /** The output of agent and tools as plain text; for the creator and Admins. */
  async logs(caller: Caller, id: string): Promise<Readable> {
    await accessRun(this.#deps, caller, id, 'runs.private');
    return logTextOf(this.#deps, id);
  }

  async artifacts(caller: Caller, id: string): Promise<Artifact[]> {
    await accessRun(this.#deps, caller, id, 'runs.read');
    return (await queries.listArtifacts(this.#deps.database.db, id)).map(presentArtifact);
  }

  /**
   * A change whose request may be repeated. Its key keeps only whether there was a change: the run
   * itself may have moved on, and may hold private text. False when nothing changed.
   */
  async #change(caller: Caller, work: (trx: Trx) => Promise<boolean>): Promise<boolean> {
    const steps = { status: 200, prepare: async () => {}, work };
    const { database } = this.#deps;
    const { answer, repeated } = await withIdempotency(database, caller.idempotency, steps);
    return answer && !repeated;
  }

  async #presentById(caller: Caller, id: string): Promise<Run> {
    return this.#present(caller, (await queries.findRun(this.#deps.database.db, id))!);
  }

  async #present({ principal }: Caller, row: queries.RunView): Promise<Run> {
    const { database, sealer } = this.#deps;
    if (!seesPrivate(principal, row.created_by)) return presentRun(row, null);
    if (row.summary_key_id === null || row.summary_data === null) return presentRun(row, '');
    const sealed = { keyId: row.summary_key_id, ciphertext: row.summary_data };
    const summary = await sealer.open(database.db, row.id, sealed);
    return presentRun(row, typeof summary === 'string' ? summary : null);
  }
}

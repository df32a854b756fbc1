import type { RunStatus } from '@holdfast/protocol';
import { allOf, newUuidV7 } from '../kernel/index.ts';
import type { Trx } from '../platform/database/index.ts';
import type { DriverDeps } from './run-driver.ts';
import * as store from './store.ts';

export interface StartedRuns {
  readonly runs: { readonly id: string; readonly agent: string; readonly status: RunStatus }[];
}

/** A run to be made: its row, and the instruction that its first event repeats. */
export interface RunDraft extends store.NewRunRow {
  readonly instruction: string;
}

/** Locks nothing that anybody else knows: the subjects are new. */
export async function insertRuns(
  deps: DriverDeps,
  trx: Trx,
  drafts: readonly RunDraft[],
): Promise<StartedRuns> {
  await allOf(drafts.map(draft => insertNew(deps, trx, draft)));
  return { runs: drafts.map(({ id, agent }) => ({ id, agent, status: 'queued' })) };
}

/** Given together, the statements are one write; they run in the order in which they are given. */
async function insertNew(deps: DriverDeps, trx: Trx, draft: RunDraft): Promise<void> {
  const { id, projectId, createdBy } = draft;
  await allOf([
    deps.log.create(trx, { id, kind: 'run', projectId, createdBy }),
    deps.sealer.create(trx, id),
    store.insertRun(trx, draft),
    deps.queue.send(trx, 'agent', { run_id: id }, { singletonKey: id }),
    sayCreated(deps, trx, draft),
  ]);
}

async function sayCreated(deps: DriverDeps, trx: Trx, draft: RunDraft): Promise<void> {
  const { taskId: task_id, messageId: message_id, agent, model, continues } = draft;
  const data = { task_id, message_id, agent, model, retry_of: draft.retryOf, continues };
  await deps.log.append(trx, {
    subject: draft.id,
    actor: draft.createdBy,
    appendId: newUuidV7(),
    events: [{ type: 'run.created', data, private: { instruction: draft.instruction } }],
  });
}

export function announceRuns(deps: DriverDeps, started: StartedRuns): void {
  for (const { id, agent } of started.runs) {
    deps.telemetry.log.info('run.created', { run_id: id, agent });
  }
}

import type { Trx } from '../../platform/database/index.ts';
import type { Sealer } from '../../platform/secrets/index.ts';
import type { Caller } from '../../work/index.ts';
import type { AccessDeps } from '../access.ts';
import * as queries from '../queries.ts';
import type { MessageRow } from '../tables.ts';
import * as store from './store.ts';

interface MessageDeps extends Pick<AccessDeps, 'database'> {
  readonly sealer: Sealer;
}

/**
 * Adds the next message of a task, whose row it locks to number it. `forRunning`: it is for the
 * agents at work, if there are any.
 */
export async function addMessage(
  deps: MessageDeps,
  trx: Trx,
  caller: Caller,
  message: {
    readonly taskId: string;
    readonly instruction: string;
    readonly forRunning: boolean;
  },
): Promise<MessageRow> {
  const { taskId, instruction } = message;
  const { project_id } = await store.touchTask(trx, taskId);
  // Only now: a run that ends takes the same lock before it looks for messages.
  const forRunning = message.forRunning && (await queries.hasOpenRun(trx, taskId));
  const latest = await queries.latestMessage(trx, taskId);
  const sealed = await deps.sealer.seal(trx, taskId, instruction);
  return store.insertMessage(trx, {
    task_id: taskId,
    project_id,
    created_by: caller.principal.id,
    number: (latest?.number ?? 0) + 1,
    instruction_key_id: sealed.keyId,
    instruction_data: sealed.ciphertext,
    for_running: forRunning,
  });
}

/** Null once its key was erased. */
export async function openInstruction(
  { database, sealer }: MessageDeps,
  row: Pick<MessageRow, 'task_id' | 'instruction_key_id' | 'instruction_data'>,
): Promise<string | null> {
  const sealed = { keyId: row.instruction_key_id, ciphertext: row.instruction_data };
  const opened = await sealer.open(database.db, row.task_id, sealed);
  return typeof opened === 'string' ? opened : null;
}

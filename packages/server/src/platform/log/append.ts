import { HoldfastError } from '../../kernel/index.ts';
import type { Trx } from '../database/index.ts';
import type { Sealed, Sealer } from '../secrets/index.ts';
import { type CheckedEvent, checkEvent } from './check-event.ts';
import { APPEND_MAX_EVENTS, type AppendRequest } from './log.ts';
import { logTables } from './tables.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const ACTOR_MAX_CHARS = 200;

/**
 * One append: lock the subject, answer a repeated append id with its numbers, check the fence,
 * insert. Each step is a statement of its own on purpose: under READ COMMITTED a statement that
 * waited for the row lock sees the locked row as it is now, but every other table as it was when
 * the statement began, so the look for the append id must begin after the lock is held.
 */
export async function append(trx: Trx, sealer: Sealer, request: AppendRequest): Promise<number[]> {
  const events = checkRequest(request);
  const subject = await lockSubject(trx, request.subject);
  const earlier = await numbersOf(trx, request);
  if (earlier.length > 0) {
    if (earlier.length === events.length) return earlier;
    throw new HoldfastError('conflict', 'The append id was used for other events.');
  }
  if (request.fence !== undefined && request.fence !== subject.fence) {
    throw new HoldfastError('conflict', 'The lease was lost: the fencing token is stale.', {
      field: 'fence',
    });
  }
  const stranger = events.find(event => event.kind !== subject.kind);
  if (stranger !== undefined) {
    throw new HoldfastError(
      'invalid_request',
      `Event ${stranger.type} does not belong in the log of a ${subject.kind}.`,
      { field: 'type' },
    );
  }
  const sealed = await seal(trx, sealer, request.subject, events);
  const lastSeq = subject.last_seq;
  await insert({ trx, request, lastSeq, events, sealed });
  return events.map((_, ordinal) => lastSeq + ordinal + 1);
}

function checkRequest(request: AppendRequest): CheckedEvent[] {
  const { events, appendId, actor } = request;
  if (events.length === 0 || events.length > APPEND_MAX_EVENTS) {
    throw new HoldfastError('invalid_request', `Append 1 to ${APPEND_MAX_EVENTS} events at once.`, {
      field: 'events',
    });
  }
  if (!UUID.test(appendId)) {
    throw new HoldfastError('invalid_request', 'The append id is not a UUID.', {
      field: 'appendId',
    });
  }
  if (actor === '' || actor.length > ACTOR_MAX_CHARS || actor.includes('\0')) {
    throw new HoldfastError('invalid_request', 'The actor is empty or too long.', {
      field: 'actor',
    });
  }
  return events.map(checkEvent);
}

async function lockSubject(trx: Trx, id: string) {
  const row = await logTables(trx)
    .selectFrom('subjects')
    .select(['kind', 'last_seq', 'fence', 'erased_at'])
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst();
  if (row === undefined) throw new HoldfastError('not_found', 'There is no such piece of work.');
  if (row.erased_at !== null) throw new HoldfastError('gone', 'This piece of work was erased.');
  return row;
}

async function numbersOf(trx: Trx, request: AppendRequest): Promise<number[]> {
  const rows = await logTables(trx)
    .selectFrom('events')
    .select('seq')
    .where('append_id', '=', request.appendId)
    .where('subject', '=', request.subject)
    .orderBy('ordinal')
    .execute();
  return rows.map(row => row.seq);
}

/** Seals all private parts with one look-up of the key; the result lines up with `events`. */
async function seal(
  trx: Trx,
  sealer: Sealer,
  subject: string,
  events: readonly CheckedEvent[],
): Promise<(Sealed | undefined)[]> {
  const secrets = events.flatMap(event => (event.private === undefined ? [] : [event.private]));
  if (secrets.length === 0) return events.map(() => undefined);
  const sealed = (await sealer.sealAll(trx, subject, secrets)).values();
  return events.map(event => (event.private === undefined ? undefined : sealed.next().value));
}

async function insert(append: {
  trx: Trx;
  request: AppendRequest;
  lastSeq: number;
  events: readonly CheckedEvent[];
  sealed: readonly (Sealed | undefined)[];
}): Promise<void> {
  const { trx, request, lastSeq, events, sealed } = append;
  await logTables(trx)
    .with('raised', query =>
      query
        .updateTable('subjects')
        .set({ last_seq: lastSeq + events.length })
        .where('id', '=', request.subject),
    )
    .insertInto('events')
    .values(
      events.map((event, ordinal) => ({
        subject: request.subject,
        seq: lastSeq + ordinal + 1,
        append_id: request.appendId,
        ordinal,
        type: event.type,
        v: event.v,
        actor: request.actor,
        attempt: request.attempt ?? null,
        trace_id: event.traceId,
        data: event.data,
        private_key_id: sealed[ordinal]?.keyId ?? null,
        private_data: sealed[ordinal]?.ciphertext ?? null,
      })),
    )
    .execute();
}

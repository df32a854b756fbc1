import { sql } from 'kysely';
import { HoldfastError } from '../../kernel/index.ts';
import { isUniqueViolation, type Trx } from '../database/index.ts';
import type { Sealed, Sealer } from '../secrets/index.ts';
import { checkEvent, isChecked } from './check-event.ts';
import { APPEND_MAX_EVENTS, type AppendRequest, type CheckedEvent } from './log.ts';
import { logTables } from './tables.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const ACTOR_MAX_CHARS = 200;
const APPENDED_ONCE = 'events_append_id_ordinal_subject_key';

/**
 * One statement raises the subject's head and inserts. Only where it wrote nothing is the reason
 * looked for, and a repeated append id answered with its numbers.
 */
export async function append(trx: Trx, sealer: Sealer, request: AppendRequest): Promise<number[]> {
  const events = checkRequest(request);
  const sealed = await seal(trx, sealer, request.subject, events);
  const last = await insert(trx, request, rowsOf(request, events, sealed));
  if (last !== undefined) return events.map((_, at) => last - events.length + at + 1);
  return await explain(trx, request, events);
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
  return events.map(event => (isChecked(event) ? event : checkEvent(event)));
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

/** An append's events as two parameters: the statement is the same for any number of them. */
interface Rows {
  readonly json: string;
  /** All ciphertexts, one after the other: as they are, where JSON is read by the character. */
  readonly sealed: Buffer;
}

/** `data` stays text in the JSON: as JSON within JSON, PostgreSQL would refuse `\\u0000`. */
function rowsOf(
  request: AppendRequest,
  events: readonly CheckedEvent[],
  sealed: readonly (Sealed | undefined)[],
): Rows {
  const ciphertexts: Uint8Array[] = [];
  // As PostgreSQL counts.
  let next = 1;
  const rows = events.map(({ type, v, kind, traceId, data }, ordinal) => {
    const row = { ordinal, type, v, kind, trace_id: traceId ?? request.traceId, data };
    const secret = sealed[ordinal];
    if (secret === undefined) return row;
    ciphertexts.push(secret.ciphertext);
    const from = next;
    next += secret.ciphertext.byteLength;
    return { ...row, private_key_id: secret.keyId, private_from: from, private_to: next };
  });
  return { json: JSON.stringify(rows), sealed: Buffer.concat(ciphertexts) };
}

/**
 * Answers the last number, or undefined where nothing was written. The update takes the subject's
 * lock; having waited for it, it looks at the row as it is by then, but at other tables as they
 * were when the statement began. So an append id whose first append commits in that moment is not
 * seen by `not exists`: the unique index refuses it, and trying again finds it.
 */
async function insert(trx: Trx, request: AppendRequest, rows: Rows): Promise<number | undefined> {
  const { subject, appendId, actor, events } = request;
  const fence = request.fence ?? null;
  const query = sql<{ last_seq: number }>`
    with given as (
      select ordinal, type, v, kind, trace_id, private_key_id, private_from, private_to, data
      from json_to_recordset(${rows.json}::json) as rows (
        ordinal integer, type text, v integer, kind text, trace_id text,
        private_key_id text, private_from integer, private_to integer, data text)
    ), head as (
      update subjects set last_seq = last_seq + ${events.length}
      where id = ${subject} and erased_at is null
        and (${fence}::bigint is null or fence = ${fence}::bigint)
        and not exists (
          select from events where append_id = ${appendId}::uuid and subject = ${subject})
        and not exists (select from given where given.kind not in ('any', subjects.kind))
      returning last_seq
    ), written as (
      insert into events (subject, seq, append_id, ordinal, type, v, actor, attempt, trace_id,
        data, private_key_id, private_data)
      select ${subject}, head.last_seq - ${events.length} + given.ordinal + 1, ${appendId}::uuid,
        given.ordinal, given.type, given.v, ${actor}, ${request.attempt ?? null}::integer,
        coalesce(given.trace_id,
          (select trace_id from events where subject = ${subject} and seq = 1)),
        given.data::json, given.private_key_id,
        substring(${rows.sealed}::bytea
          from given.private_from for given.private_to - given.private_from)
      from head cross join given
    )
    select last_seq from head`;
  try {
    return (await query.execute(trx)).rows[0]?.last_seq;
  } catch (error) {
    if (!isUniqueViolation(error, APPENDED_ONCE)) throw error;
    throw new HoldfastError('unavailable', 'The same append is under way; try again.');
  }
}

/** Why nothing was written: throws it, or answers the numbers of the first time. */
async function explain(
  trx: Trx,
  request: AppendRequest,
  events: readonly CheckedEvent[],
): Promise<number[]> {
  const subject = await logTables(trx)
    .selectFrom('subjects')
    .select(['kind', 'fence', 'erased_at'])
    .where('id', '=', request.subject)
    .forUpdate()
    .executeTakeFirst();
  if (!subject) throw new HoldfastError('not_found', 'There is no such piece of work.');
  if (subject.erased_at) throw new HoldfastError('gone', 'This piece of work was erased.');
  const earlier = await logTables(trx)
    .selectFrom('events')
    .select('seq')
    .where('append_id', '=', request.appendId)
    .where('subject', '=', request.subject)
    .orderBy('ordinal')
    .execute();
  if (earlier.length === events.length) return earlier.map(row => row.seq);
  if (earlier.length > 0) {
    throw new HoldfastError('conflict', 'The append id was used for other events.');
  }
  if (request.fence !== undefined && request.fence !== subject.fence) {
    throw new HoldfastError('conflict', 'The lease was lost: the fencing token is stale.', {
      field: 'fence',
    });
  }
  const stranger = events.find(({ kind }) => kind !== 'any' && kind !== subject.kind);
  if (stranger === undefined) {
    throw new HoldfastError('unavailable', 'The log was changed meanwhile; try again.');
  }
  throw new HoldfastError(
    'invalid_request',
    `Event ${stranger.type} does not belong in the log of a ${subject.kind}.`,
    { field: 'type' },
  );
}

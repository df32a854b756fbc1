import type { EventEnvelope } from '@holdfast/protocol';
import { sql } from 'kysely';
import { allOf } from '../../kernel/index.ts';
import type { Executor } from '../database/index.ts';
import type { Sealer } from '../secrets/index.ts';
import { READ_MAX_EVENTS, type ReadRequest } from './log.ts';
import { logTables } from './tables.ts';

/** One page of a log. Private parts are neither fetched nor opened unless asked for. */
export async function read(
  executor: Executor,
  sealer: Sealer,
  request: ReadRequest,
): Promise<EventEnvelope[]> {
  const { includePrivate, subject } = request;
  const [rows] = await allOf([
    fetchRows(executor, request),
    includePrivate ? sealer.lookUpKey(executor, subject) : null,
  ]);
  const opened = includePrivate ? await openAll(executor, sealer, request, rows) : [];
  return rows.map((row, index) => {
    const secret = opened[index];
    return {
      subject,
      seq: row.seq,
      type: row.type,
      v: row.v,
      at: row.created_at.toISOString(),
      actor: row.actor,
      attempt: row.attempt,
      trace_id: row.trace_id,
      append_id: row.append_id,
      data: secret === undefined ? row.data : { ...row.data, ...secret },
      ...(row.private_key_id !== null && secret === undefined ? { redacted: true } : {}),
    };
  });
}

export async function useOf(
  executor: Executor,
  subject: string,
): Promise<{ events: number; sizeBytes: number }> {
  const bytes = sql<string>`coalesce(sum(
    octet_length(data::text) + coalesce(octet_length(private_data), 0)), 0)`;
  const row = await logTables(executor)
    .selectFrom('events')
    .select(eb => [eb.fn.countAll<string>().as('events'), bytes.as('size_bytes')])
    .where('subject', '=', subject)
    .executeTakeFirstOrThrow();
  return { events: Number(row.events), sizeBytes: Number(row.size_bytes) };
}

export async function hasAnyOf(
  executor: Executor,
  subject: string,
  types: readonly string[],
  upTo: number,
): Promise<boolean> {
  const row = await logTables(executor)
    .selectFrom('events')
    .select('seq')
    .where('subject', '=', subject)
    .where('seq', '>', upTo - READ_MAX_EVENTS)
    .where('seq', '<=', upTo)
    .where('type', 'in', [...types])
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** How many events one read answers at most. */
export function pageSize(request: ReadRequest): number {
  return Math.max(1, Math.min(request.limit, READ_MAX_EVENTS));
}

type Row = Awaited<ReturnType<typeof fetchRows>>[number];

function fetchRows(executor: Executor, request: ReadRequest) {
  return logTables(executor)
    .selectFrom('events')
    .select(['seq', 'type', 'v', 'created_at', 'actor', 'attempt', 'trace_id', 'append_id'])
    .select(['data', 'private_key_id'])
    .$if(request.includePrivate, query => query.select('private_data'))
    .where('subject', '=', request.subject)
    .where('seq', '>', request.after)
    .orderBy('seq')
    .limit(pageSize(request))
    .execute();
}

/** Private fields by row; undefined where there are none or the key was erased. */
async function openAll(
  executor: Executor,
  sealer: Sealer,
  request: ReadRequest,
  rows: readonly Row[],
): Promise<(Record<string, unknown> | undefined)[]> {
  const sealed = rows.flatMap(row =>
    row.private_key_id === null || row.private_data == null
      ? []
      : [{ keyId: row.private_key_id, ciphertext: row.private_data }],
  );
  if (sealed.length === 0) return [];
  const opened = (await sealer.openAll(executor, request.subject, sealed)).values();
  return rows.map(row =>
    row.private_key_id === null
      ? undefined
      : (opened.next().value as Record<string, unknown> | undefined),
  );
}

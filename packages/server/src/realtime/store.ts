import type { SessionState, SessionType } from '@holdfast/protocol';
import { sql } from 'kysely';
import type { Basis } from '../auth/index.ts';
import type { Executor, Trx } from '../platform/database/index.ts';
import type { SessionTotals } from './meter.ts';
import { type Control, type Protocol, type SessionRow, type Transport, tables } from './tables.ts';

/** The writes of the session registry. Every instant is the database's. */

export interface NewSession {
  readonly id: string;
  readonly projectId: string;
  readonly createdBy: string;
  readonly type: SessionType;
  readonly transport: Transport;
  readonly protocol: Protocol;
  readonly model: string;
  readonly voice: string | null;
  readonly secretId: string | null;
  /** What the client calls its user; nothing is decided by it. */
  readonly label?: string | null;
  /** Null where the session's right never ends, and for one that is only minted. */
  readonly basis: Basis | null;
  readonly locked: readonly string[];
  readonly callId: string | null;
  readonly expiresInMs: number;
  /** The replica that dials now and holds the place; null for a session that is only minted. */
  readonly replica: string | null;
  readonly revision: string | null;
}

const basisText = (basis: Basis | null) => (basis === null ? null : JSON.stringify(basis));
const afterMs = (ms: number) => sql<Date>`now() + ${ms} * interval '1 millisecond'`;

export async function insert(trx: Trx, session: NewSession): Promise<SessionRow> {
  return await tables(trx)
    .insertInto('sessions')
    .values({
      id: session.id,
      project_id: session.projectId,
      created_by: session.createdBy,
      state: 'created',
      type: session.type,
      holds_place: session.replica !== null,
      transport: session.transport,
      protocol: session.protocol,
      model: session.model,
      voice: session.voice,
      secret_id: session.secretId,
      label: session.label ?? null,
      basis: basisText(session.basis),
      locked: session.locked.join(','),
      call_id: session.callId,
      // Of a telephone call before it is accepted: whoever finds the row can hang it up.
      upstream_call_id: session.transport === 'sip' ? session.callId : null,
      replica: session.replica,
      revision: session.revision,
      expires_at: afterMs(session.expiresInMs),
    })
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** What becomes of a minted session when its client arrives. */
export interface Admission {
  readonly transport: Transport;
  readonly protocol: Protocol;
  readonly callId: string | null;
  readonly basis: Basis | null;
  readonly replica: string;
  readonly revision: string;
  readonly expiresInMs: number;
}

/** Gives a minted session its place; undefined when it is no longer free to be used. */
export async function admit(
  trx: Trx,
  id: string,
  admission: Admission,
): Promise<SessionRow | undefined> {
  return await tables(trx)
    .updateTable('sessions')
    .set({
      holds_place: true,
      transport: admission.transport,
      protocol: admission.protocol,
      call_id: admission.callId,
      basis: basisText(admission.basis),
      replica: admission.replica,
      revision: admission.revision,
      expires_at: afterMs(admission.expiresInMs),
    })
    .where('id', '=', id)
    .where('state', '=', 'created')
    .where('holds_place', '=', false)
    .where('expires_at', '>', sql<Date>`now()`)
    .returningAll()
    .executeTakeFirst();
}

/** Whose places are counted: those of an owner, or of all owners in a project. */
export type PlaceHolder = { readonly created_by: string } | { readonly project_id: string };

/**
 * Serialises the admissions that count the same places until the transaction ends: without this,
 * two replicas could both count four sessions and admit a fifth and a sixth.
 */
export async function lockPlaces(trx: Trx, of: PlaceHolder): Promise<void> {
  const name = `session-places:${'created_by' in of ? of.created_by : `project:${of.project_id}`}`;
  await sql`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`.execute(trx);
}

function taken(executor: Executor, of: PlaceHolder) {
  return tables(executor)
    .selectFrom('sessions')
    .where(eb => eb.and(of))
    .where('holds_place', '=', true)
    .where(eb =>
      eb.or([eb('reconnect_until', 'is', null), eb('reconnect_until', '>', sql<Date>`now()`)]),
    );
}

/** Places that are taken. One whose reconnect window is over is free even before the sweep. */
export async function countPlaces(executor: Executor, of: PlaceHolder): Promise<number> {
  const row = await taken(executor, of)
    .select(eb => eb.fn.countAll<number>().as('places'))
    .executeTakeFirstOrThrow();
  return row.places;
}

/** When the first of the taken places becomes free by itself; null where none is taken. */
export async function placeFreeAt(executor: Executor, of: PlaceHolder): Promise<Date | null> {
  const row = await taken(executor, of)
    .select(sql<Date | null>`min(coalesce(reconnect_until, expires_at))`.as('free_at'))
    .executeTakeFirstOrThrow();
  return row.free_at;
}

export async function lock(trx: Trx, id: string): Promise<SessionRow | undefined> {
  return await tables(trx)
    .selectFrom('sessions')
    .selectAll()
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst();
}

/** How a session's row looks after a transition, and for how long it had been connected. */
export type RowAfter = SessionRow & { readonly lived_s: number };

const livedS = sql<number>`coalesce(
  extract(epoch from coalesce(ended_at, now()) - connected_at), 0)::float8`;

export async function setConnected(
  trx: Trx,
  id: string,
  taker: { replica: string; revision: string; handles?: readonly string[] | undefined },
): Promise<RowAfter> {
  return await tables(trx)
    .updateTable('sessions')
    .set({
      state: 'connected',
      holds_place: true,
      connected_at: sql`coalesce(connected_at, now())`,
      disconnected_at: null,
      reconnect_until: null,
      handover_key: null,
      handover_wanted: false,
      last_activity_at: sql`now()`,
      replica: taker.replica,
      revision: taker.revision,
      ...(taker.handles && { handles: [...taker.handles] }),
    })
    .where('id', '=', id)
    .returningAll()
    .returning(livedS.as('lived_s'))
    .executeTakeFirstOrThrow();
}

export async function setDisconnected(
  trx: Trx,
  id: string,
  loss: { reason: string; closeCode: number | null; windowMs: number },
): Promise<RowAfter> {
  return await tables(trx)
    .updateTable('sessions')
    .set({
      state: 'disconnected',
      disconnected_at: sql`now()`,
      reconnect_until: afterMs(loss.windowMs),
      close_reason: loss.reason,
      close_code: loss.closeCode,
    })
    .where('id', '=', id)
    .returningAll()
    .returning(livedS.as('lived_s'))
    .executeTakeFirstOrThrow();
}

/** Asks the replica that holds an open session to let go of it; answers which one that is. */
export async function wantHandover(executor: Executor, id: string): Promise<string | null> {
  const row = await tables(executor)
    .updateTable('sessions')
    .set({ handover_wanted: true })
    .where('id', '=', id)
    .where('state', 'in', ['connected', 'disconnected'])
    .where('handover_key', 'is', null)
    .returning('replica')
    .executeTakeFirst();
  return row?.replica ?? null;
}

export async function unwantHandover(executor: Executor, id: string): Promise<void> {
  await tables(executor)
    .updateTable('sessions')
    .set({ handover_wanted: false })
    .where('id', '=', id)
    .execute();
}

/** Leaves the session to whichever process its client comes to; not where it is final. */
export async function setHandedOver(
  trx: Trx,
  id: string,
  { handoverKey, windowMs }: { handoverKey: string; windowMs: number },
): Promise<void> {
  await tables(trx)
    .updateTable('sessions')
    .set({ handover_key: handoverKey, reconnect_until: afterMs(windowMs) })
    .where('id', '=', id)
    .where('state', '=', 'disconnected')
    .execute();
}

export async function setFinal(
  trx: Trx,
  id: string,
  end: {
    state: SessionState;
    reason: string;
    closeCode: number | null;
    control: Control | null;
  },
): Promise<RowAfter> {
  return await tables(trx)
    .updateTable('sessions')
    .set(eb => ({
      state: end.state,
      holds_place: false,
      reconnect_until: null,
      ended_at: sql<Date>`now()`,
      // The reason of the loss is more precise than the end of its window.
      close_reason: sql<string>`case when ${eb.ref('state')} = 'disconnected'
        then coalesce(close_reason, ${end.reason}) else ${end.reason} end`,
      close_code: sql<number>`coalesce(close_code, ${end.closeCode})`,
      control: end.control,
    }))
    .where('id', '=', id)
    .returningAll()
    .returning(livedS.as('lived_s'))
    .executeTakeFirstOrThrow();
}

export interface UpstreamFacts {
  readonly upstreamSessionId?: string;
  /** Seconds since the epoch, as the provider reports. */
  readonly upstreamExpiresAtS?: number | null;
  readonly upstreamCallId?: string;
  readonly voice?: string | null;
}

export async function setUpstream(
  executor: Executor,
  id: string,
  facts: UpstreamFacts,
): Promise<void> {
  const { upstreamSessionId, upstreamExpiresAtS, upstreamCallId, voice } = facts;
  const values = {
    ...(upstreamSessionId !== undefined && { upstream_session_id: upstreamSessionId }),
    ...(upstreamCallId !== undefined && { upstream_call_id: upstreamCallId }),
    ...(voice !== undefined && { voice }),
    ...(typeof upstreamExpiresAtS === 'number' && {
      upstream_expires_at: new Date(upstreamExpiresAtS * 1000),
    }),
  };
  if (Object.keys(values).length === 0) return;
  await tables(executor).updateTable('sessions').set(values).where('id', '=', id).execute();
}

/** What the replica that holds a session knows of its activity; written in batches. */
export interface SessionActivity {
  readonly id: string;
  /** Milliseconds since a byte last came from either side. */
  readonly idleMs: number;
  /** Of the whole session, so that writing them twice changes nothing. */
  readonly totals: SessionTotals;
}

export async function writeActivity(
  executor: Executor,
  replica: string,
  facts: readonly SessionActivity[],
): Promise<void> {
  const rows = facts.map(({ id, idleMs, totals }) => {
    const { usage, costUsd: cost_usd, unpriced, unreported } = totals;
    return { id, idle_ms: idleMs, ...usage, cost_usd, unpriced, unreported };
  });
  await sql`
    update sessions s set
      last_activity_at = greatest(
        s.last_activity_at, now() - v.idle_ms * interval '1 millisecond'),
      responses = v.responses,
      input_tokens = v.input_tokens,
      input_text_tokens = v.input_text_tokens,
      input_audio_tokens = v.input_audio_tokens,
      input_image_tokens = v.input_image_tokens,
      cached_tokens = v.cached_tokens,
      cached_text_tokens = v.cached_text_tokens,
      cached_audio_tokens = v.cached_audio_tokens,
      cached_image_tokens = v.cached_image_tokens,
      output_tokens = v.output_tokens,
      output_text_tokens = v.output_text_tokens,
      output_audio_tokens = v.output_audio_tokens,
      total_tokens = v.total_tokens,
      transcription_input_tokens = v.transcription_input_tokens,
      transcription_output_tokens = v.transcription_output_tokens,
      transcription_seconds = v.transcription_seconds,
      cost_usd = v.cost_usd,
      unpriced = v.unpriced,
      unreported = v.unreported
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as v(
      id text, idle_ms float8, responses bigint, input_tokens bigint, input_text_tokens bigint,
      input_audio_tokens bigint, input_image_tokens bigint, cached_tokens bigint,
      cached_text_tokens bigint, cached_audio_tokens bigint, cached_image_tokens bigint,
      output_tokens bigint, output_text_tokens bigint, output_audio_tokens bigint,
      total_tokens bigint, transcription_input_tokens bigint, transcription_output_tokens bigint,
      transcription_seconds float8, cost_usd float8, unpriced text[], unreported integer)
    where s.id = v.id and s.replica = ${replica}`.execute(executor);
}

/** What this feature knows of sessions that have recordings. */
export const recordedSessions = {
  async secretOf(executor: Executor, id: string): Promise<string | null> {
    const row = await tables(executor)
      .selectFrom('sessions')
      .select('secret_id')
      .where('id', '=', id)
      .executeTakeFirst();
    return row?.secret_id ?? null;
  },
  async noteActivity(trx: Trx, id: string): Promise<void> {
    await tables(trx)
      .updateTable('sessions')
      .set({ last_activity_at: sql<Date>`now()` })
      .where('id', '=', id)
      .execute();
  },
};

/** Hides the session for good; the subject's row is the tombstone. */
export async function setErased(trx: Trx, id: string): Promise<void> {
  await tables(trx)
    .updateTable('sessions')
    .set({
      erased_at: sql`now()`,
      label: null,
      voice: null,
      upstream_session_id: null,
      upstream_call_id: null,
    })
    .where('id', '=', id)
    .execute();
}

/** How long an announced call is remembered; the provider lets it ring for less. */
const ANNOUNCED_FOR = sql`interval '1 day'`;

export async function announceCall(executor: Executor, callId: string): Promise<void> {
  await sql`delete from incoming_calls where announced_at < now() - ${ANNOUNCED_FOR}`.execute(
    executor,
  );
  await sql`insert into incoming_calls (call_id) values (${callId})
    on conflict (call_id) do nothing`.execute(executor);
}

export async function isAnnounced(executor: Executor, callId: string): Promise<boolean> {
  const { rows } = await sql`select 1 from incoming_calls
    where call_id = ${callId} and announced_at > now() - ${ANNOUNCED_FOR}`.execute(executor);
  return rows.length > 0;
}

/** Takes the call from a session that never had it. */
export async function forgetCall(executor: Executor, id: string): Promise<void> {
  await tables(executor)
    .updateTable('sessions')
    .set({ call_id: null })
    .where('id', '=', id)
    .execute();
}

/** The blob is deleted. */
export async function forgetHandover(executor: Executor, id: string): Promise<void> {
  await tables(executor)
    .updateTable('sessions')
    .set({ handover_key: null })
    .where('id', '=', id)
    .execute();
}

export async function clearControl(executor: Executor, id: string): Promise<void> {
  await tables(executor)
    .updateTable('sessions')
    .set({ control: null })
    .where('id', '=', id)
    .execute();
}

/**
 * Leaves a call that goes on for another replica to take. Returns its state, which may be final by
 * now; undefined when `replica` does not hold it.
 */
export async function orphan(
  executor: Executor,
  id: string,
  replica: string,
): Promise<SessionState | undefined> {
  const row = await tables(executor)
    .updateTable('sessions')
    .set({ replica: null })
    .where('id', '=', id)
    .where('replica', '=', replica)
    .returning('state')
    .executeTakeFirst();
  return row?.state;
}

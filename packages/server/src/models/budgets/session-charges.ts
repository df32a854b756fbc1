import { sql } from 'kysely';
import { HoldfastError, newId } from '../../kernel/index.ts';
import type { Executor, Trx } from '../../platform/database/index.ts';
import type { ModelCaller } from '../gateway/run-tokens.ts';
import {
  type Charge,
  insertReservation,
  lockBudgets,
  type ReserveRequest,
  reserveIn,
  type Settled,
  settleWhere,
} from './reservations.ts';

/**
 * What a voice session used, and its next response.
 *
 * A charge is written once, however often it is tried: its id is drawn before the first attempt and
 * stands on the row that has it, so an attempt after one whose answer was lost finds it done. The
 * next response is reserved in the same transaction: at no moment is one under way without a
 * reservation.
 */
export interface ChargedSession {
  readonly id: string;
  readonly caller: ModelCaller;
  readonly model: string;
}

export interface SessionCharge extends Charge {
  readonly id: string;
}

export interface NextReservation extends ReserveRequest {
  /** Reserved also where a budget refuses it: it is being spent, and the session ends. */
  readonly isUnderWay: boolean;
}

export interface ChargeOutcome {
  readonly settled: Settled;
  /** Some budget applies; undefined where nothing was asked of one. */
  readonly isLimited?: boolean;
  readonly refusal?: HoldfastError;
}

const REFUSALS: readonly string[] = ['budget_exceeded', 'invalid_request'];

/** Settles all that the session has reserved at its charge, and reserves `next`. */
export async function chargeSession(
  trx: Trx,
  session: ChargedSession,
  charge: SessionCharge,
  next?: NextReservation,
): Promise<ChargeOutcome> {
  if (next !== undefined) await lockBudgets(trx, session.caller);
  const earlier = await settledBy(trx, charge);
  const settled = earlier ?? (await settle(trx, session, charge));
  if (next === undefined) return { settled };
  // It was reserved with the charge, whose answer was lost.
  if (earlier !== undefined && (await hasReserved(trx, session))) return { settled };
  try {
    const { isLimited } = await reserveIn(trx, next);
    return { settled, isLimited };
  } catch (error) {
    if (!(error instanceof HoldfastError && REFUSALS.includes(error.code))) throw error;
    if (next.isUnderWay) await insertReservation(trx, next);
    return { settled, refusal: error };
  }
}

async function settle(
  trx: Trx,
  { id, caller, model }: ChargedSession,
  charge: SessionCharge,
): Promise<Settled> {
  const rows = await settleWhere(trx, sql`session_id = ${id}`, charge);
  if (rows.length === 0 && charge.usd > 0) {
    await sql`
      insert into reservations
        (id, session_id, project_id, owner, model, reserved_usd, settled_usd, settled_at, charge_id)
      values (${newId('rsv')}, ${id}, ${caller.projectId}, ${caller.owner}, ${model}, 0,
        ${charge.usd}, now(), ${charge.id})
      on conflict do nothing`.execute(trx);
    return { usd: charge.usd, reservedUsd: 0 };
  }
  return rows.reduce(
    (all, one) => ({ usd: all.usd + one.usd, reservedUsd: all.reservedUsd + one.reservedUsd }),
    { usd: 0, reservedUsd: 0 },
  );
}

async function settledBy(executor: Executor, charge: SessionCharge): Promise<Settled | undefined> {
  const { rows } = await sql<Settled>`
    select settled_usd as usd, reserved_usd as "reservedUsd"
    from reservations where charge_id = ${charge.id}`.execute(executor);
  return rows[0];
}

async function hasReserved(executor: Executor, { id }: ChargedSession): Promise<boolean> {
  const { rows } = await sql`
    select from reservations where session_id = ${id} and settled_at is null`.execute(executor);
  return rows.length > 0;
}

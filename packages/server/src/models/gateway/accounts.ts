import type { HostedTool } from '@holdfast/protocol';
import type { Clock } from '../../kernel/index.ts';
import type { Database } from '../../platform/database/index.ts';
import type { Telemetry } from '../../platform/telemetry/index.ts';
import { newNotices, refusalNotices } from '../budgets/notices.ts';
import { OverBudget, type Reservation, reserve, settle } from '../budgets/reservations.ts';
import { countCall, settleSoon } from '../budgets/settlement.ts';
import { costUsd, dayOf, priceOn, type TextPrice, worstCaseUsd } from '../prices.ts';
import type { Outcome } from './forward.ts';
import type { BudgetNotice, ModelCall } from './gateway.ts';
import type { PreparedCall } from './prepare.ts';
import type { ModelCaller } from './run-tokens.ts';
import type { Audience, Watchers } from './watchers.ts';

export interface AccountsDeps {
  readonly database: Database;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly watchers: Watchers;
}

/** The money of one call, from its reservation to its settlement. */
export interface OpenAccount {
  /** Writes what the call cost and notifies the run's watchers. Never throws. */
  close(outcome: Outcome): Promise<void>;
}

/** What else a provider does itself has prices that the catalogue does not know. */
const PRICED_AS_INPUT: readonly HostedTool[] = ['remote_files', 'stored_files'];
type RunCaller = ModelCaller & { readonly runId: string };

/** Reserves the worst case. Throws `OverBudget`, also after notifying the run's watchers. */
export async function openAccount(
  deps: AccountsDeps,
  caller: ModelCaller,
  call: PreparedCall,
): Promise<OpenAccount> {
  const { model, worstCase, hosted } = call;
  const unpriced = [...hosted.keys()].find(tool => !PRICED_AS_INPUT.includes(tool));
  const price = unpriced ? null : priceOn(model, dayOf(deps.clock.nowMs()));
  const usd = price && worstCaseUsd(price, model, worstCase);
  const audience = deps.watchers.audience(caller.runId);
  try {
    const request = { caller, model: model.id, usd, ...(unpriced && { hosted: unpriced }) };
    const reservation = await reserve(deps.database, request);
    const account = { caller, model: model.id, price, reservation, audience };
    return { close: outcome => closeAccount(deps, account, outcome) };
  } catch (error) {
    if (error instanceof OverBudget && hasRun(caller) && !audience.isEmpty) {
      notify(audience, await refusalNotices(deps.database.db, caller, error));
    }
    throw error;
  }
}

interface Account {
  readonly caller: ModelCaller;
  readonly model: string;
  readonly price: TextPrice | null;
  readonly reservation: Reservation;
  readonly audience: Audience;
}

async function closeAccount(deps: AccountsDeps, account: Account, outcome: Outcome): Promise<void> {
  const { caller, model, audience, reservation } = account;
  const { db } = deps.database;
  const { log } = deps.telemetry;
  const charge = chargeOf(account, outcome);
  const cost = { usd: charge, atLeastReserved: outcome.charge === 'reservation' };
  const settled = await settleSoon(deps.telemetry, {
    ...cost,
    settle: () => settle(db, reservation.id, cost),
    model,
    about: { run_id: caller.runId },
  });
  const { input = 0, output = 0, cached = 0 } = outcome.usage ?? {};
  const tokens = { input, output, cached };
  countCall(deps.telemetry, { model, status: outcome.status, tokens });
  if (!hasRun(caller) || audience.isEmpty) return;
  const call: ModelCall = {
    runId: caller.runId,
    model,
    inputTokens: input,
    outputTokens: output,
    cachedTokens: cached,
    costUsd: account.price === null ? null : (settled ?? charge),
    status: outcome.status,
  };
  audience.notify(listener => listener.onCall(call));
  try {
    notify(audience, await newNotices(db, caller));
  } catch (err) {
    log.warn('model.notices_failed', { run_id: caller.runId, err });
  }
}

function chargeOf({ price, reservation }: Account, { charge, usage }: Outcome): number {
  if (charge === 'nothing') return 0;
  if (charge === 'reservation' || usage === null) return reservation.reservedUsd;
  return price === null ? 0 : costUsd(price, usage);
}

function hasRun(caller: ModelCaller): caller is RunCaller {
  return caller.runId !== null;
}

function notify(audience: Audience, notices: readonly BudgetNotice[]): void {
  for (const notice of notices) audience.notify(listener => listener.onBudget(notice));
}

import { settleLost } from '../models/index.ts';
import type { Trx } from '../platform/database/index.ts';
import * as store from './store.ts';
import type { RunRow } from './tables.ts';

/** What a run's calls come to, and how many of them nobody could settle. */
export interface Charged {
  readonly lostCalls: number;
  readonly total: Pick<RunRow, 'model_calls' | 'cost_usd'>;
}

/**
 * Brings a run's total in line with its reservations. Its worker tells of each call, but one that
 * died, or was in a hurry, left out what it had under way and perhaps some that it had settled.
 */
export async function chargeLost(trx: Trx, runId: string): Promise<Charged> {
  const { lostCalls, ...bill } = await settleLost(trx, runId);
  return { lostCalls, total: await store.setBill(trx, runId, bill) };
}

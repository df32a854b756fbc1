import type { Telemetry } from '../../platform/telemetry/index.ts';
import type { Charge, Settled } from './reservations.ts';

export interface Settlement extends Charge {
  /** Writes the charge, once however often it is called; undefined where it was written before. */
  readonly settle: () => Promise<Settled | undefined>;
  /** Bounded: a label of metrics. */
  readonly model: string;
  /** Whose money it is, for the log. */
  readonly about: Readonly<Record<string, string | null>>;
}

export interface Tokens {
  readonly input: number;
  readonly output: number;
  readonly cached: number;
}

const SETTLE_ATTEMPTS = 3;

/**
 * Writes what a call or a voice session's turn cost, and counts it. Answers the charge. Never
 * throws: a settlement that cannot be written leaves the reservation, which counts in full, and
 * answers undefined.
 */
export async function settleSoon(
  { log, meter }: Telemetry,
  settlement: Settlement,
): Promise<number | undefined> {
  const { settle, model, about, atLeastReserved = false } = settlement;
  const unsettled = meter.createCounter('holdfast_model_unsettled_total');
  if (atLeastReserved) unsettled.add(1);
  for (let attempt = 1; ; attempt++) {
    try {
      const { usd, reservedUsd } = (await settle()) ?? {
        usd: settlement.usd,
        reservedUsd: Infinity,
      };
      if (usd > reservedUsd) {
        const over = { model, ...about, reserved_usd: reservedUsd, cost_usd: usd };
        log.warn('model.over_reservation', over);
      }
      if (usd > 0) meter.createCounter('holdfast_model_cost_usd_total').add(usd, { model });
      return usd;
    } catch (err) {
      if (attempt < SETTLE_ATTEMPTS) continue;
      log.error('model.unsettled', { ...about, err });
      if (!atLeastReserved) unsettled.add(1);
      return undefined;
    }
  }
}

/** Counts one call or response, and its tokens. */
export function countCall(
  { meter }: Telemetry,
  call: { readonly model: string; readonly status: number; readonly tokens: Tokens },
): void {
  const { model, status, tokens } = call;
  meter.createCounter('holdfast_model_calls_total').add(1, { model, status_code: String(status) });
  const counter = meter.createCounter('holdfast_model_tokens_total');
  for (const [kind, number] of Object.entries(tokens)) {
    if (number > 0) counter.add(number, { model, kind });
  }
}

import { setTimeout as delay } from 'node:timers/promises';
import { newId } from '../../kernel/index.ts';
import type { Models, Upstream } from '../../models/index.ts';
import type { Logger, Telemetry } from '../../platform/telemetry/index.ts';
import { isFinal } from '../session.ts';
import type { SessionRow } from '../tables.ts';
import { type CallLimits, defaultCallLimits } from './limits.ts';
import { hangUpUpstream } from './upstream-call.ts';

/**
 * Hanging up at the provider, which carries media until then. The replica that holds a call hangs
 * it up. A call without a replica is hung up by the request that ends it, *before* its row becomes
 * final: when the provider fails, the row stays as it is, and a retry or the sweep hangs up later.
 */
export interface HangUpDeps {
  readonly models: Models;
  readonly telemetry: Telemetry;
}

/** Whether a call goes on at the provider without a replica that holds its sideband. */
export function isOrphan(row: Pick<SessionRow, 'transport' | 'state' | 'replica'>): boolean {
  return row.transport !== 'websocket' && !isFinal(row.state) && row.replica === null;
}

/** Whether the provider carries the call, as far as is known here. */
export function isPlaced<T extends Pick<SessionRow, 'state' | 'upstream_call_id'>>(
  row: T,
): row is T & { upstream_call_id: string } {
  return !isFinal(row.state) && row.state !== 'created' && row.upstream_call_id !== null;
}

/**
 * Hangs up a call that no replica holds, by its row; once. Does nothing for a row that never became
 * a call, or whose model is no longer in the catalogue, because then the upstream is unknown.
 * Throws the `HoldfastError` of an upstream that did not hang up.
 */
export async function hangUpOrphan(
  deps: HangUpDeps,
  row: Pick<SessionRow, 'id' | 'project_id' | 'model' | 'upstream_call_id'>,
  requestId: string = newId('req'),
): Promise<void> {
  const { id: session_id, model, upstream_call_id } = row;
  if (upstream_call_id === null) return;
  let upstream: Upstream;
  try {
    upstream = deps.models.upstream(deps.models.resolve(model), row.project_id);
  } catch (error) {
    return deps.telemetry.log.warn('call.hangup_impossible', { session_id, model, error });
  }
  await hangUpUpstream(upstream, upstream_call_id, requestId);
  deps.telemetry.log.info('call.hung_up', { session_id, request_id: requestId });
}

/** Tries `hangUp` a bounded number of times; false when it never worked. Never rejects. */
export async function hangUpPersistently(
  log: Logger,
  hangUp: () => Promise<void>,
  limits: Partial<CallLimits> = {},
): Promise<boolean> {
  const { hangUpAttempts, backoffMinMs } = { ...defaultCallLimits, ...limits };
  for (let attempt = 1; attempt <= hangUpAttempts; attempt++) {
    try {
      await hangUp();
      return true;
    } catch (error) {
      log.warn('call.hangup_failed', { attempt, error });
      await delay(backoffMinMs * 2 ** attempt, undefined, { ref: false });
    }
  }
  return false;
}

/**
 * The frame-level voice relay: carries a realtime WebSocket between a client and an upstream.
 *
 * Use: `handshakeFault` and `acceptUpgrade` on the client's side, `dialUpstream` on the other, then
 * `new Relay({client, upstream, …}).start()`; `rejectSession` where the upstream could not be had.
 * From `start` on the relay owns both sockets. One `RelayTicker` serves a whole process.
 *
 * Invariants:
 * - Frames are forwarded as they came and in order; own frames stand only where the protocol lets
 *   them. Audio is never decoded, and no tap delays a byte.
 * - Everything that waits is bounded (`limits.ts`): a slow reader pauses its source, a stalled one
 *   is closed.
 * - Whatever happens, both sockets are closed within `closeTimeoutMs` of the first reason to.
 * - A guarded direction forwards nothing that its guard has not seen, but canonical audio appends.
 *
 * Knows nothing of HTTP routes, identity, SQL or the session's record.
 */
export {
  acceptUpgrade,
  handshakeFault,
  offersBeta,
} from './accept.ts';

export { BlockPool } from './block-pool.ts';
export { EVENT_TYPE } from './classify.ts';
export type { RelayCounters } from './counters.ts';
export type { Resumption } from './delivery.ts';
export {
  type DialFailure,
  dialUpstream,
  type RefusedAnswer,
  readRefusal,
} from './dial.ts';

export { type ExchangeEnd, exchange, putBack } from './exchange.ts';
export { RESUMED_ELSEWHERE, type RelayLimits, SERVICE_RESTART } from './limits.ts';
export { applyMask } from './masking.ts';
export type { FilterVerdict } from './message-guard.ts';
export type { GoingOn, RelayOutcome, SideEnd } from './options.ts';
export type { RelayGuard } from './pumps.ts';
export { errorEvent, rejectSession } from './reject.ts';
export { Relay } from './relay.ts';
export type { RelayPeer } from './side.ts';
export { RelayTicker } from './ticker.ts';

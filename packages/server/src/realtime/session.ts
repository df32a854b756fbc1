import type { SessionState } from '@holdfast/protocol';

/**
 * The life of a voice session.
 *
 *   created ──connect──▶ connected ──lose──▶ disconnected
 *      │                   ▲   │                │    │
 *      │                   └───│───connect──────┘    │
 *      └──────── end, expire, fail (from any of the three) ──▶ ended | expired | failed
 *
 * `created`: the row exists. A session that was only minted holds no place; one that was admitted
 * does, and its upstream is being dialled. `connected`: a client and the upstream are joined.
 * `disconnected`: one of them is gone without a normal close; the place is kept until the reconnect
 * window is over, then the session expires. The last three states are final: whatever comes later
 * (a second end, a late loss) changes nothing. `ended`: by request or by a normal close;
 * `expired`: its time ran out; `failed`: it never worked.
 *
 * A session holds a place from admission until it is final, or until its window is over.
 */
export type SessionInput =
  | { readonly type: 'connect' }
  | { readonly type: 'lose'; readonly reason: LossReason }
  | { readonly type: 'end'; readonly reason: EndReason }
  | { readonly type: 'expire'; readonly reason: ExpiryReason }
  | { readonly type: 'fail'; readonly reason: string; readonly upstreamCode?: string | undefined };

/** Why a connection was lost. Any of these keeps the place for the reconnect window. */
type LossReason =
  | 'client_lost'
  | 'client_protocol_error'
  | 'client_stalled'
  | 'upstream_lost'
  | 'replica_lost'
  | 'drain';
type EndReason =
  | 'client_closed'
  | 'upstream_closed'
  | 'upstream_refused'
  | 'end_requested'
  | 'deleted'
  | 'locked_configuration'
  | 'access_revoked'
  | 'budget_exceeded';
type ExpiryReason =
  | 'session_expired'
  | 'upstream_expired'
  | 'window_over'
  | 'never_connected'
  | 'model_gone'
  | 'replica_lost';

const FINAL: ReadonlySet<SessionState> = new Set<SessionState>(['ended', 'expired', 'failed']);

export function isFinal(state: SessionState): boolean {
  return FINAL.has(state);
}

/** The state after `input`, or null where `input` changes nothing. */
export function nextState(state: SessionState, input: SessionInput): SessionState | null {
  if (isFinal(state)) return null;
  switch (input.type) {
    case 'connect':
      return state === 'connected' ? null : 'connected';
    case 'lose':
      return state === 'connected' ? 'disconnected' : null;
    case 'end':
      return 'ended';
    case 'expire':
      return 'expired';
    case 'fail':
      return state === 'created' ? 'failed' : null;
  }
}

/** Codes of applications (RFC 6455 §7.4.2): one has closed, and knew why. */
const isPrivate = (code: number) => code >= 3000 && code <= 4999;
/** A client that leaves a connection which seems dead: it comes back with another one. */
const COMES_BACK = 4002;
/** A policy's refusal, for instance of a region or a model: the next connection meets it, too. */
const POLICY_VIOLATION = 1008;
/** 1005 stands for a close frame without a code, which is what `close()` of a browser sends. */
const NORMAL_CLOSES: ReadonlySet<number> = new Set([1000, 1001, 1005]);
const EXPIRY_WORDS = /expired|maximum duration/i;

/** How a relayed connection ended; the relay's outcome, and what the tap has heard. */
export interface RelayEnd {
  readonly initiator: 'client' | 'upstream' | 'server';
  readonly cause: string;
  readonly clientCode: number;
  readonly upstreamCode: number;
  readonly reason: string;
  /** The upstream announced that its session has expired. */
  readonly upstreamExpired: boolean;
}

/**
 * The input that follows from how the client or the upstream ended the connection. The client's
 * 1000, 1001 or empty close frame is a normal close, and so is the upstream's 1000; what a client
 * closes with a private code is closed on purpose, too, but for the one that says it comes back. An
 * upstream's 1001 or private code about the session's time is expiry, its other private codes and
 * 1008 are a refusal; all else is a loss.
 */
export function judgeEnd(end: RelayEnd): Exclude<SessionInput, { type: 'connect' }> {
  if (end.initiator === 'client') {
    const isClosed = isPrivate(end.clientCode) && end.clientCode !== COMES_BACK;
    const isMeant = NORMAL_CLOSES.has(end.clientCode) || isClosed;
    if (end.cause === 'close' && isMeant) {
      return { type: 'end', reason: 'client_closed' };
    }
    if (end.cause === 'stalled') return { type: 'lose', reason: 'client_stalled' };
    if (end.cause === 'violation') return { type: 'lose', reason: 'client_protocol_error' };
    return { type: 'lose', reason: 'client_lost' };
  }
  if (end.cause === 'close' && end.upstreamCode === 1000) {
    return { type: 'end', reason: 'upstream_closed' };
  }
  const { upstreamCode, reason } = end;
  const namesExpiry =
    (upstreamCode === 1001 || isPrivate(upstreamCode)) && EXPIRY_WORDS.test(reason);
  if (end.upstreamExpired || namesExpiry) return { type: 'expire', reason: 'upstream_expired' };
  if (end.cause === 'close' && (isPrivate(upstreamCode) || upstreamCode === POLICY_VIOLATION)) {
    return { type: 'end', reason: 'upstream_refused' };
  }
  return { type: 'lose', reason: 'upstream_lost' };
}

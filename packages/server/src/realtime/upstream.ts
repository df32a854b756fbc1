import { HoldfastError, unlessAborted, within } from '../kernel/index.ts';
import type { SocketTarget, Upstream } from '../models/index.ts';
import type { Logger } from '../platform/telemetry/index.ts';
import { type Again, askAgain } from './ask-again.ts';
import {
  failureFields,
  refusalError,
  UpstreamFault,
  upstreamTimeout,
  upstreamUnreachable,
} from './errors.ts';
import type { RealtimeMetrics } from './metrics.ts';
import type { PassedOn } from './passed-on.ts';
import { type DialFailure, dialUpstream, type RelayPeer } from './relay/index.ts';

export interface DialRequest {
  readonly upstream: Upstream;
  /** The session to open (default: a conversation), or the call to attach to. */
  readonly target?: SocketTarget;
  /** For credentials and handshake together. */
  readonly timeoutMs: number;
  /** Ours; sent along so that both sides' logs can be compared. */
  readonly requestId: string;
  readonly passedOn?: PassedOn;
  readonly signal?: AbortSignal;
  /** Before each further attempt. */
  readonly onAgain?: (again: Again) => void;
}

/** What OpenAI logs as the caller's own id of a request. */
export const REQUEST_ID_HEADER = 'x-client-request-id';

export interface Dialled {
  readonly peer: RelayPeer;
  /** The upstream's id of our request; for the log only. */
  readonly upstreamRequestId: string | undefined;
}

/**
 * The upstream's credentials. They may have to be fetched first (Entra ID, a vault), so this waits
 * no longer than `timeoutMs` or until `signal` aborts: throws `upstream_timeout` then, or
 * `upstream_unreachable`. The fetch itself goes on, because other sessions may wait for it too.
 */
export async function upstreamHeaders(
  upstream: Pick<Upstream, 'headers'>,
  bounds: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<Record<string, string>> {
  const { timeoutMs, signal } = bounds;
  const fetching = signal ? unlessAborted(signal, () => upstream.headers()) : upstream.headers();
  const headers = await within(fetching, timeoutMs, () => {
    throw upstreamTimeout(new Error('no credentials'));
  });
  if (headers !== undefined) return headers;
  throw upstreamUnreachable(new Error('aborted before the credentials came'));
}

/**
 * Connects to the upstream, again where that may help: without a WebSocket nothing was begun.
 * Throws the `HoldfastError` for the caller.
 */
export function dial(request: DialRequest): Promise<Dialled> {
  const { timeoutMs, signal, onAgain } = request;
  return askAgain(leftMs => dialOnce(request, leftMs), {
    timeoutMs,
    signal,
    isSafe: error => MAY_PASS.has(error.code),
    onAgain,
  });
}

/** Faults that the next attempt may not meet. */
const MAY_PASS: ReadonlySet<HoldfastError['code']> = new Set([
  'upstream_unreachable',
  'upstream_rate_limited',
  'upstream_timeout',
  'upstream_error',
]);

async function dialOnce(request: DialRequest, timeoutMs: number): Promise<Dialled> {
  const { upstream, target, signal, requestId, passedOn } = request;
  const startedMs = performance.now();
  const credentials = await upstreamHeaders(upstream, { timeoutMs, ...(signal && { signal }) });
  const url = new URL(upstream.wsUrl(target));
  const result = await dialUpstream({
    url,
    headers: { ...passedOn, ...credentials, [REQUEST_ID_HEADER]: requestId },
    timeoutMs: Math.max(1, timeoutMs - (performance.now() - startedMs)),
    ...(signal && { signal }),
  });
  if (result.ok) return { peer: result.peer, upstreamRequestId: result.requestId };
  throw dialFault(result.failure, secretsOf(credentials, url));
}

/** What a provider's words may not repeat: our credentials, and the name of the resource. */
export function secretsOf(credentials: Readonly<Record<string, string>>, url: URL): string[] {
  const keys = Object.values(credentials).map(value => value.replace(/^Bearer /, ''));
  return [...keys, url.host];
}

function dialFault(failure: DialFailure, secrets: readonly string[]): HoldfastError {
  const { kind, detail, answer, requestId } = failure;
  if (answer !== undefined) return refusalError({ what: 'upstream', answer, secrets, requestId });
  const cause = new UpstreamFault(`upstream ${kind}: ${detail}`, { requestId });
  if (failure.kind === 'timeout') return upstreamTimeout(cause);
  if (failure.kind === 'malformed') {
    return new HoldfastError('upstream_error', 'The model failed.', { cause });
  }
  return upstreamUnreachable(cause);
}

/** Logs and counts that an upstream is asked again. */
export function reportAgain(
  { metrics }: { readonly metrics: Pick<RealtimeMetrics, 'upstreamRetries'> },
  log: Logger,
  { attempt, pauseMs, error }: Again,
): void {
  metrics.upstreamRetries.add(1, { reason: error.code });
  log.warn('upstream.asked_again', { attempt, pause_ms: pauseMs, ...failureFields(error) });
}

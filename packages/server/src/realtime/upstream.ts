import { HoldfastError, unlessAborted, within } from '../kernel/index.ts';
import type { SocketTarget, Upstream } from '../models/index.ts';
import {
  UpstreamFault,
  upstreamStatusError,
  upstreamTimeout,
  upstreamUnreachable,
} from './errors.ts';
import { type DialFailure, dialUpstream, type RelayPeer } from './relay/index.ts';

export interface DialRequest {
  readonly upstream: Upstream;
  /** The session to open (default: a conversation), or the call to attach to. */
  readonly target?: SocketTarget;
  /** For credentials and handshake together. */
  readonly timeoutMs: number;
  /** Ours; sent along so that both sides' logs can be compared. */
  readonly requestId: string;
  readonly signal?: AbortSignal;
}

/** What OpenAI logs as the caller's own id of a request. */
export const REQUEST_ID_HEADER = 'x-client-request-id';

export interface Dialled {
  readonly peer: RelayPeer;
  /** The upstream's id of our request; for the log only. */
  readonly upstreamRequestId: string | undefined;
}

/** The cause of a failed dial, with only what may be logged. */
class DialError extends UpstreamFault {
  override readonly name = 'DialError';
  readonly failure: DialFailure;

  constructor(failure: DialFailure) {
    super(`upstream ${failure.kind}: ${failure.detail}`, failure.requestId);
    this.failure = failure;
  }
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

/** Connects to the upstream; throws the `HoldfastError` for the caller. */
export async function dial(request: DialRequest): Promise<Dialled> {
  const { upstream, target, timeoutMs, signal, requestId } = request;
  const startedMs = performance.now();
  const credentials = await upstreamHeaders(upstream, { timeoutMs, ...(signal && { signal }) });
  const result = await dialUpstream({
    url: new URL(upstream.wsUrl(target)),
    headers: { ...credentials, [REQUEST_ID_HEADER]: requestId },
    timeoutMs: Math.max(1, timeoutMs - (performance.now() - startedMs)),
    ...(signal && { signal }),
  });
  if (result.ok) return { peer: result.peer, upstreamRequestId: result.requestId };
  throw dialFault(result.failure);
}

function dialFault(failure: DialFailure): HoldfastError {
  const cause = new DialError(failure);
  if (failure.kind === 'refused') return upstreamStatusError(failure.status ?? 0, cause);
  if (failure.kind === 'timeout') return upstreamTimeout(cause);
  if (failure.kind === 'malformed') {
    return new HoldfastError('upstream_error', 'The model failed.', { cause });
  }
  return upstreamUnreachable(cause);
}

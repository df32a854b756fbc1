import type { Upstream } from '../models/index.ts';
import { upstreamTimeout, upstreamUnreachable } from './errors.ts';

/**
 * The upstream's credentials. They may have to be fetched first (Entra ID, a vault), so this waits
 * no longer than `timeoutMs` or until `signal` aborts: throws `upstream_timeout` then, or
 * `upstream_unreachable`. The fetch itself goes on, because others may be waiting for it too.
 */
export async function upstreamHeaders(
  upstream: Pick<Upstream, 'headers'>,
  bounds: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<Record<string, string>> {
  const { timeoutMs, signal } = bounds;
  const { promise: given, reject } = Promise.withResolvers<never>();
  const abort = () => reject(upstreamUnreachable(new Error('aborted before the credentials came')));
  const timer = setTimeout(() => reject(upstreamTimeout(new Error('no credentials'))), timeoutMs);
  if (signal?.aborted) abort();
  else signal?.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([given, upstream.headers()]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

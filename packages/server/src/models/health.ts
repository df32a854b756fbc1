import type { CheckResult, HealthCheck } from '../http/index.ts';
import { type Clock, HoldfastError } from '../kernel/index.ts';
import type { Models } from './models.ts';

/** How often the provider is asked at most, by default. */
const UPSTREAM_CHECK_INTERVAL_MS = 30_000;
const TIMEOUT_MS = 2_500;

/**
 * Whether the default model's provider answers and accepts our credentials: `GET …/models`, which
 * is free of charge. Any other answer than 401, 403 or 5xx counts as reachable. Not critical: open
 * sessions continue, and the API works without it.
 */
export function upstreamHealth(
  models: Models,
  options: { readonly clock: Clock; readonly intervalMs?: number },
): HealthCheck {
  const upstream = models.upstream(models.defaultModel);
  const { clock, intervalMs = UPSTREAM_CHECK_INTERVAL_MS } = options;
  let latest: { atMs: number; result: Promise<CheckResult> } | undefined;
  return {
    name: upstream.provider === 'azure' ? 'azure_openai' : 'openai',
    critical: false,
    check() {
      const nowMs = clock.monotonicMs();
      if (latest === undefined || nowMs - latest.atMs >= intervalMs) {
        latest = { atMs: nowMs, result: ask(upstream) };
      }
      return latest.result;
    },
  };
}

async function ask(upstream: ReturnType<Models['upstream']>): Promise<CheckResult> {
  const url = upstream.callsUrl.replace(/\/realtime\/calls$/, '/models');
  const response = await fetch(url, {
    headers: await upstream.headers(),
    redirect: 'manual',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  await response.body?.cancel();
  if (response.status === 401 || response.status === 403) {
    return { status: 'degraded', message: 'The provider refuses our credentials.' };
  }
  if (response.status >= 500) {
    throw new HoldfastError('upstream_error', `The provider answered ${response.status}.`);
  }
  return { details: { provider: upstream.provider } };
}

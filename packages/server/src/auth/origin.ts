import type { GuardedRequest } from '../http/index.ts';

/**
 * The page that caused a request, from the browser's headers: `none` without such headers; `own`
 * one of our pages; `listed` a site that the operator named; `foreign` any other, `Origin: null`
 * (sandboxed frames, files) included.
 */
export type Origin = 'none' | 'own' | 'listed' | 'foreign';

export interface OriginRules {
  readonly corsOrigins: ReadonlySet<string>;
  /** The origin under which browsers reach us, when it is configured. */
  readonly publicOrigin: string | undefined;
}

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

/** Requests that change something, or open a socket that could. */
export function isUnsafe(request: Pick<GuardedRequest, 'kind' | 'method'>): boolean {
  return request.kind === 'upgrade' || !SAFE_METHODS.has(request.method);
}

export function originOf(
  request: Pick<GuardedRequest, 'headers' | 'secure'>,
  rules: OriginRules,
): Origin {
  const { origin, host, 'sec-fetch-site': site } = request.headers;
  if (origin === undefined) {
    if (site === 'same-origin') return 'own';
    return site === 'cross-site' || site === 'same-site' ? 'foreign' : 'none';
  }
  if (rules.corsOrigins.has(origin)) return 'listed';
  if (origin === rules.publicOrigin) return 'own';
  const own = `${request.secure ? 'https' : 'http'}://${host}`;
  return host !== undefined && normal(origin) === normal(own) ? 'own' : 'foreign';
}

/** Browsers leave the default port out of `Origin`; a `Host` may carry it. */
function normal(origin: string): string | undefined {
  try {
    const url = new URL(origin);
    return url.pathname === '/' && url.origin !== 'null' ? url.origin : undefined;
  } catch {
    return undefined;
  }
}

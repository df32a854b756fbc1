import type { Guard, GuardedRequest } from '../http/index.ts';
import { HoldfastError } from '../kernel/index.ts';
import type { BucketSize, RateDecision, RateLimiter } from '../platform/limits/index.ts';
import type { ApiKeys } from './api-keys.ts';
import { type Audit, STRANGER } from './audit.ts';
import { authorize, Denial } from './authorize.ts';
import type { ClientSecrets } from './client-secrets.ts';
import { credentialsOf, isOurs, runTokenOf } from './credentials.ts';
import type { Identity } from './identity.ts';
import type { Limits } from './limits.ts';
import { isUnsafe } from './origin.ts';
import { findPolicy } from './policies.ts';
import type { Principal } from './principal.ts';
import { API_KEY_PREFIX } from './secrets.ts';
import type { StreamTickets } from './stream-tickets.ts';
import { noProject, unauthenticated } from './unauthenticated.ts';
import type { Watch } from './watch.ts';

export interface AuthGuardDeps {
  readonly identity: Identity;
  readonly apiKeys: ApiKeys;
  readonly clientSecrets: ClientSecrets;
  readonly streamTickets: Pick<StreamTickets, 'verify'>;
  /** The run whose token this is; absent: no token of a run is let in. */
  readonly runOfToken?: ((token: string) => Promise<string | undefined>) | undefined;
  readonly watch: Pick<Watch, 'follow'>;
  readonly audit: Audit;
  readonly limiter: RateLimiter;
  readonly limits: Pick<Limits, 'of'>;
  /** Of one person, and as a multiple of failures from one address. */
  readonly rateLimit: BucketSize;
}

/** Reading costs less than writing: the limit of writes, so many times. */
const READS_PER_WRITE = 100;
/** A page whose sign-in is over asks for several things at once. */
const FAILURES_PER_WRITE = 10;
/**
 * Sign-in needs no credential, so it is limited by address; an identity provider that ends sign-ins
 * asks for many people, and one that announces calls for many callers.
 */
const ADDRESS_LIMITS: Readonly<Partial<Record<string, BucketSize>>> = {
  'public.auth': { perMinute: 60, burst: 30 },
  'public.logout': { perMinute: 600, burst: 300 },
  'public.webhook': { perMinute: 600, burst: 300 },
};

/**
 * Every request, upgrades included, in this order: transport, credential, rate limit, policy. A
 * request that fails is answered before its body is read and before anything upstream is opened.
 */
export function createAuthGuard(deps: AuthGuardDeps): Guard<Principal> {
  return {
    checkRoute({ method, url, policy }) {
      if (policy === undefined || findPolicy(policy) === undefined) {
        throw new Error(`${method} ${url} names no row of the policy table: ${policy}.`);
      }
    },

    async authenticate(request) {
      deps.identity.checkTransport(request);
      const policy = request.policy === undefined ? undefined : findPolicy(request.policy);
      if (request.policy === undefined || policy === undefined || policy.public) {
        const limit = ADDRESS_LIMITS[request.policy ?? ''];
        if (limit !== undefined) {
          const bucket = `${request.policy}:${request.clientAddress ?? 'unknown'}`;
          await take(deps, bucket, limit);
        }
        return undefined;
      }
      const token = policy.runToken ? runTokenOf(request.headers, request.query) : undefined;
      if (token !== undefined) {
        const run = await counted(deps, request, () => runOf(deps, token));
        if (!request.again)
          await take(deps, `reads:${run}`, times(deps.rateLimit, READS_PER_WRITE));
        return undefined;
      }
      const principal = await counted(deps, request, () =>
        principalOf(deps, request, policy.ticket === true),
      );
      if (!request.again) await limit(deps, request, principal);
      authorize(request.policy, principal);
      return principal;
    },

    follow: (principal, onOver) =>
      deps.watch.follow(principal, role => {
        if (role === null) onOver();
      }),

    refused(request, error) {
      const denial = error.cause instanceof Denial ? error.cause : undefined;
      if (denial === undefined && error.status !== 401 && error.status !== 403) return;
      deps.audit.denied({
        principal: denial?.principal.id ?? STRANGER,
        projectId: denial?.principal.projectId ?? null,
        action: denial?.policy ?? request.policy ?? 'unmatched',
        target: request.route ?? null,
        reason: denial?.message ?? error.detail,
        requestId: request.requestId,
      });
    },
  };
}

/** Checks a credential; failures count against the address that they come from. */
async function counted<T>(
  deps: AuthGuardDeps,
  request: GuardedRequest,
  check: () => Promise<T>,
): Promise<T> {
  try {
    return await check();
  } catch (error) {
    if (request.again) throw error;
    if (!(error instanceof HoldfastError) || error.code !== 'unauthenticated') throw error;
    const bucket = `failures:${request.clientAddress ?? 'unknown'}`;
    await take(deps, bucket, times(deps.rateLimit, FAILURES_PER_WRITE));
    throw error;
  }
}

async function take({ limiter }: AuthGuardDeps, bucket: string, size: BucketSize): Promise<void> {
  const decision = await limiter.take(bucket, size);
  if (!decision.allowed) throw tooMany(decision.retryAfterS);
}

function times({ perMinute, burst }: BucketSize, factor: number): BucketSize {
  return { perMinute: perMinute * factor, burst: burst * factor };
}

async function principalOf(
  deps: AuthGuardDeps,
  request: GuardedRequest,
  takesTicket: boolean,
): Promise<Principal> {
  const principal = await checked(async () => {
    const ticket = takesTicket ? request.query.get('ticket') : null;
    const ours = credentialsOf(request).find(credential => isOurs(credential.value));
    if (ticket !== null) return deps.streamTickets.verify(ticket);
    if (ours !== undefined) return verifyOurs(deps, ours.value, request);
    return deps.identity.authenticate(request);
  });
  if (principal === undefined) throw unauthenticated();
  return principal;
}

async function runOf({ runOfToken }: AuthGuardDeps, token: string): Promise<string> {
  const run = await checked(async () => runOfToken?.(token));
  if (run === undefined) throw unauthenticated();
  return run;
}

/** Throws `unavailable` for faults of the database, which must not look like wrong credentials. */
async function checked<T>(check: () => Promise<T>): Promise<T> {
  try {
    return await check();
  } catch (cause) {
    if (cause instanceof HoldfastError && cause.code !== 'unavailable') throw cause;
    const text = 'Credentials cannot be checked right now.';
    throw new HoldfastError('unavailable', text, { cause, retryAfterS: 5 });
  }
}

async function verifyOurs(
  deps: AuthGuardDeps,
  value: string,
  request: GuardedRequest,
): Promise<Principal | undefined> {
  const principal = value.startsWith(API_KEY_PREFIX)
    ? await deps.apiKeys.verify(value)
    : await deps.clientSecrets.verify(value);
  const wanted = request.headers['x-holdfast-project'];
  if (principal && wanted !== undefined && wanted !== principal.projectId) throw noProject();
  return principal;
}

/**
 * A client secret has a bucket of its own, of a person's size: its holder must not use up its
 * creator's. Where the project has a limit, it counts what all its callers do.
 */
async function limit(
  deps: AuthGuardDeps,
  request: GuardedRequest,
  principal: Principal,
): Promise<void> {
  const secretId = principal.grant?.secretId;
  const who = secretId ?? principal.id;
  const { name, own, project } = await deps.limits.of(principal);
  const rate = secretId === undefined ? own.rate : deps.rateLimit;
  const owner = secretId === undefined ? name : 'this client secret';
  const isRead = !isUnsafe(request);
  const kind = isRead ? 'reads' : 'principal';
  const sizeOf = (size: BucketSize) => (isRead ? times(size, READS_PER_WRITE) : size);
  const decision = await deps.limiter.take(`${kind}:${who}`, sizeOf(rate));
  if (!isRead) {
    request.setHeader('x-ratelimit-limit', String(rate.perMinute));
    request.setHeader('x-ratelimit-remaining', String(decision.remaining));
  }
  if (!decision.allowed) throw overLimit(owner, sizeOf(rate), decision);
  if (project.rate === null) return;
  const shared = sizeOf(project.rate);
  const ofAll = await deps.limiter.take(`${kind}:project:${principal.projectId}`, shared);
  if (!ofAll.allowed) throw overLimit('this project', shared, ofAll);
}

/** Says which limit it is, and when the next request is possible. */
function overLimit(
  owner: string,
  { perMinute, burst }: BucketSize,
  { retryAfterS }: RateDecision,
): HoldfastError {
  const text =
    `Too many requests: ${owner} may send ${perMinute} a minute, ${burst} of them at once. ` +
    `The next one is possible in ${retryAfterS} s.`;
  return new HoldfastError('rate_limited', text, { retryAfterS });
}

function tooMany(retryAfterS: number): HoldfastError {
  const text = `Too many requests from this address. The next one is possible in ${retryAfterS} s.`;
  return new HoldfastError('rate_limited', text, { retryAfterS });
}

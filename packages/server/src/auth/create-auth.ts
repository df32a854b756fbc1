import type { Guard, HealthCheck } from '../http/index.ts';
import type { Clock, Component } from '../kernel/index.ts';
import type { Database } from '../platform/database/index.ts';
import type { Doorbell } from '../platform/doorbell/index.ts';
import type { RateLimiter } from '../platform/limits/index.ts';
import type { Sealer } from '../platform/secrets/index.ts';
import type { Telemetry } from '../platform/telemetry/index.ts';
import { type ApiKeys, createApiKeys } from './api-keys.ts';
import { type Audit, createAudit } from './audit.ts';
import { createAuthGuard } from './auth-guard.ts';
import { type ClaimedRoles, createClaimedRoles } from './claimed-roles.ts';
import { type ClientSecrets, createClientSecrets } from './client-secrets.ts';
import { type ConsoleSessions, createConsoleSessions } from './console-sessions.ts';
import { type Cookies, createCookies } from './cookies.ts';
import type { Identity } from './identity.ts';
import { createLimits, type LimitDefaults, type Limits } from './limits.ts';
import { type AdminLinks, createAdminLinks } from './local/admin-link.ts';
import { endLocalRights } from './local/end-local-rights.ts';
import { createLocalIdentity } from './local/identity.ts';
import type { ClaimNames } from './oidc/claims.ts';
import { type ClaimReading, createOidcIdentity, personFromSignIn } from './oidc/identity.ts';
import { type BackChannelLogout, createBackChannelLogout } from './oidc/logout.ts';
import { createOidcProvider, type OidcOptions, type OidcProvider } from './oidc/provider.ts';
import { createSignIn, type SignIn } from './oidc/sign-in.ts';
import type { OriginRules } from './origin.ts';
import type { Principal } from './principal.ts';
import { createProjects, type Projects } from './projects.ts';
import { createRenewal, type ReadAgain } from './renewal.ts';
import { createStreamTickets, type StreamTickets } from './stream-tickets.ts';
import { createSweeper } from './sweeper.ts';
import { createWatch, ringRights, type Watch } from './watch.ts';

export interface AuthDeps {
  readonly database: Database;
  readonly doorbell: Doorbell;
  readonly sealer: Sealer;
  readonly limiter: RateLimiter;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  /** As `AuthGuardDeps` has it. */
  readonly runOfToken?: (token: string) => Promise<string | undefined>;
}

export interface AuthOptions {
  /** Null: local mode. */
  readonly oidc: (OidcOptions & { readonly claims?: Partial<ClaimNames> }) | null;
  /** Local mode: a one-time token that the launcher made; `mintAdminLink` makes others. */
  readonly adminLinkToken: string | null;
  /** The configured listening host; local mode accepts it in `Host`. */
  readonly host: string;
  /** Where browsers reach the server, without a trailing slash; null: taken from `Host`. */
  readonly publicUrl: string | null;
  readonly tls: boolean;
  readonly corsOrigins: readonly string[];
  readonly limits: LimitDefaults;
  /** How long a new API key may live; null: for ever. */
  readonly keyMaxDays: number | null;
  /** Besides `default`; made when the component starts. */
  readonly projects: readonly string[];
}

/** Authentication and authorization of one process. */
export interface Auth {
  readonly mode: 'local' | 'oidc';
  /** For `createHttpServer`. */
  readonly guard: Guard<Principal>;
  readonly apiKeys: ApiKeys;
  readonly limits: Limits;
  readonly clientSecrets: ClientSecrets;
  readonly streamTickets: StreamTickets;
  readonly audit: Audit;
  readonly sessions: ConsoleSessions;
  /** Of the rights behind what is open in this process. */
  readonly watch: Watch;
  readonly cookies: Cookies;
  readonly origins: OriginRules;
  readonly publicUrl: string | null;
  readonly links: AdminLinks;
  readonly projects: Projects;
  /** Null in local mode. */
  readonly oidc: {
    readonly signIn: SignIn;
    readonly claimNames: ClaimNames;
    readonly claimed: ClaimedRoles;
    readonly projects: Projects;
    readonly logout: BackChannelLogout;
  } | null;
  /** The path and query of a new one-time link to an Admin's session; local mode only. */
  mintAdminLink(): string;
  /** Deletes what has expired, hourly; writes pending denials before it stops. */
  readonly component: Component;
  readonly healthChecks: readonly HealthCheck[];
}

export function createAuth(deps: AuthDeps, options: AuthOptions): Auth {
  const { database, limiter, clock } = deps;
  const audit = createAudit(deps);
  const changed = () => ringRights(deps.doorbell);
  const apiKeys = createApiKeys({ database, audit, maxDays: options.keyMaxDays, changed });
  const clientSecrets = createClientSecrets(database, deps.sealer);
  const streamTickets = createStreamTickets(database);
  const cookies = createCookies(options.tls || options.publicUrl?.startsWith('https:') === true);
  const ownUrl = options.publicUrl === null ? null : new URL(options.publicUrl);
  const origins: OriginRules = {
    corsOrigins: new Set(options.corsOrigins),
    publicOrigin: ownUrl?.origin,
  };
  const hosts = new Set(
    [options.host, ...(ownUrl === null ? [] : [ownUrl.hostname])].map(host => host.toLowerCase()),
  );
  const projects = createProjects(database);
  const claimed = createClaimedRoles(database, changed);
  const oidc = options.oidc === null ? null : oidcParts(options.oidc, { claimed, projects });
  const { log } = deps.telemetry;
  const { sealer } = deps;
  const renewal =
    oidc === null
      ? null
      : createRenewal({
          database,
          sealer,
          log,
          ...oidc,
          rolesHoldS: oidc.options.rolesHoldS,
          changed,
        });
  const sessions = createConsoleSessions({ database, sealer, renewal, changed, log });
  const logout =
    oidc === null ? undefined : createBackChannelLogout({ database, ...oidc, changed });
  const shared = { sessions, cookieName: cookies.sessionName };
  const identity: Identity =
    oidc === null
      ? createLocalIdentity({ ...shared, rules: { ...origins, hosts } })
      : createOidcIdentity({ ...shared, ...oidc, claimed, projects, rules: origins });
  const watch = createWatch({ ...deps, sessions, log });
  const links = createAdminLinks(clock, options.adminLinkToken ?? undefined);
  const limits = createLimits({ database, audit, clock, defaults: options.limits });
  const rateLimit = options.limits.person.rate;
  const secrets = { apiKeys, clientSecrets, streamTickets };
  return {
    mode: identity.mode,
    guard: createAuthGuard({
      ...secrets,
      identity,
      runOfToken: deps.runOfToken,
      watch,
      audit,
      limiter,
      limits,
      rateLimit,
    }),
    limits,
    ...secrets,
    audit,
    sessions,
    watch,
    cookies,
    origins,
    publicUrl: options.publicUrl,
    links,
    projects,
    oidc: oidc && logout ? { ...oidc, claimed, projects, logout } : null,
    mintAdminLink: () => `/auth/local?token=${links.mint()}`,
    component: createSweeper({
      async prepare() {
        await projects.ensure(options.projects);
        if (oidc !== null) await endLocalRights({ database, audit, log });
      },
      audit,
      logout,
      clientSecrets,
      streamTickets,
      sessions,
      log,
    }),
    healthChecks: oidc === null ? [] : [issuerCheck(oidc.provider)],
  };
}

function oidcParts(
  options: OidcOptions & { claims?: Partial<ClaimNames> },
  reading: Pick<ClaimReading, 'claimed' | 'projects'>,
) {
  const provider = createOidcProvider(options);
  const claimNames: ClaimNames = {
    roles: ['roles'],
    groups: ['groups'],
    subject: 'sub',
    roleMap: {},
    ...options.claims,
  };
  const signIn = createSignIn(provider, options);
  const readAgain: ReadAgain = async (token, keep) => {
    const claims = await signIn.refresh(token, keep);
    return claims && personFromSignIn(claims, { claimNames, ...reading });
  };
  return { provider, options, claimNames, signIn, readAgain };
}

/** Not critical: API keys, client secrets and signed-in people keep working. */
function issuerCheck(provider: OidcProvider): HealthCheck {
  return {
    name: 'identity_provider',
    critical: false,
    async check() {
      await provider.ping();
      return undefined;
    },
  };
}

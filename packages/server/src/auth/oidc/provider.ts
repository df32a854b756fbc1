import { createRemoteJWKSet, type JWTVerifyGetKey } from 'jose';
import {
  allowInsecureRequests,
  type Configuration,
  type DiscoveryRequestOptions,
  discovery,
  enableNonRepudiationChecks,
  None,
} from 'openid-client';
import { HoldfastError, isLoopbackHost } from '../../kernel/index.ts';

export interface OidcOptions {
  readonly issuer: string;
  readonly clientId: string;
  /** Absent: a public client, which PKCE alone protects. */
  readonly clientSecret?: string | undefined;
  /** Access tokens must carry one of these. */
  readonly audiences: readonly string[];
  /**
   * Separated by spaces; `openid` must be among them. `offline_access` is asked for only of an
   * issuer that names it, because others refuse what they do not know.
   */
  readonly scopes: string;
  /** How long roles of a sign-in hold before they are read again. */
  readonly rolesHoldS: number;
}

interface Discovered {
  readonly issuer: string;
  /** What `openid-client` needs for the code flow. */
  readonly configuration: Configuration;
  /**
   * The same, but leaves the signatures of ID tokens unchecked: a check that fails would lose the
   * refresh token of the same answer. The caller checks them.
   */
  readonly unchecked: Configuration;
  /** The issuer's signing keys: fetched when needed, cached, refreshed when an unknown id comes. */
  readonly keys: JWTVerifyGetKey;
}

export interface OidcProvider {
  /** Asks the issuer once; after a failure the next call asks again. Throws `unavailable`. */
  discover(): Promise<Discovered>;
  /** For health: works when the issuer answers or has answered. */
  ping(): Promise<void>;
}

const TIMEOUT_MS = 5_000;
/** An unknown key id makes the keys be fetched anew at most this often. */
const KEYS_COOLDOWN_MS = 30_000;
const KEYS_MAX_AGE_MS = 10 * 60 * 1000;

export function createOidcProvider(options: OidcOptions): OidcProvider {
  let discovered: Promise<Discovered> | undefined;
  const discover = () => {
    discovered ??= ask(options).catch(cause => {
      discovered = undefined;
      throw issuerAway(cause);
    });
    return discovered;
  };
  return {
    discover,
    async ping() {
      await discover();
    },
  };
}

/** Failures to reach the issuer are ours, not the caller's. */
export function issuerAway(cause: unknown): HoldfastError {
  return new HoldfastError('unavailable', 'The identity provider does not answer.', {
    cause,
    retryAfterS: 5,
  });
}

async function ask(options: OidcOptions): Promise<Discovered> {
  const issuer = new URL(options.issuer);
  const insecure = issuer.protocol === 'http:' && isLoopbackHost(issuer.hostname);
  const configure = (execute: DiscoveryRequestOptions['execute'] = []) =>
    discovery(
      issuer,
      options.clientId,
      options.clientSecret,
      options.clientSecret === undefined ? None() : undefined,
      {
        timeout: TIMEOUT_MS / 1000,
        execute: [...execute, ...(insecure ? [allowInsecureRequests] : [])],
      },
    );
  // The signature of ID tokens is checked too, although TLS already vouches for them.
  const [configuration, unchecked] = await Promise.all([
    configure([enableNonRepudiationChecks]),
    configure(),
  ]);
  const metadata = configuration.serverMetadata();
  if (metadata.jwks_uri === undefined) throw new Error('The issuer publishes no keys.');
  const keys = createRemoteJWKSet(new URL(metadata.jwks_uri), {
    timeoutDuration: TIMEOUT_MS,
    cooldownDuration: KEYS_COOLDOWN_MS,
    cacheMaxAge: KEYS_MAX_AGE_MS,
  });
  return { issuer: metadata.issuer, configuration, unchecked, keys };
}

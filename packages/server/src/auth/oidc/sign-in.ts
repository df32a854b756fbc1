import { jwtVerify } from 'jose';
import {
  authorizationCodeGrant,
  buildAuthorizationUrl,
  buildEndSessionUrl,
  type Configuration,
  calculatePKCECodeChallenge,
  ResponseBodyError,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
  refreshTokenGrant,
} from 'openid-client';
import { z } from 'zod';
import { HoldfastError } from '../../kernel/index.ts';
import { ALGORITHMS, CLOCK_TOLERANCE_S } from './bearer.ts';
import type { Claims } from './claims.ts';
import { issuerAway, type OidcOptions, type OidcProvider } from './provider.ts';

/** The scope with which some issuers give a refresh token. */
const OFFLINE = 'offline_access';
/** A sign-in must be finished within this time. */
export const SIGN_IN_TTL_S = 600;

/**
 * The state of a sign-in between leaving for the identity provider and coming back. It stays in an
 * HttpOnly cookie of the browser that started: a callback opened in another browser lacks it, and
 * unauthenticated requests cannot fill the server's memory.
 */
const pending = z.object({
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  returnTo: z.string(),
});
type Pending = z.infer<typeof pending>;

interface SignInTokens {
  /** Of the ID token. */
  readonly claims: Claims;
  /** Undefined where the issuer gives none. */
  readonly refreshToken: string | undefined;
}

export interface SignIn {
  /** Where to send the browser, and what to put into its cookie. */
  begin(baseUrl: string, returnTo: string | undefined): Promise<{ url: string; cookie: string }>;
  /**
   * The ID token's claims and the page to return to. Throws `unauthenticated` unless state, nonce,
   * verifier, code and token match.
   */
  finish(
    callbackUrl: URL,
    cookie: string | undefined,
  ): Promise<SignInTokens & { returnTo: string }>;
  /**
   * The claims as they are now; undefined where the issuer gives none for this token any more.
   * `keep` gets the next refresh token, if there is one, before anything else may fail: the one
   * presented may be used up.
   */
  refresh(refreshToken: string, keep: (next: string) => Promise<void>): Promise<Claims | undefined>;
  /** The identity provider's own sign-out page, if it has one. */
  signOutUrl(baseUrl: string): Promise<string | undefined>;
}

export function createSignIn(provider: OidcProvider, options: OidcOptions): SignIn {
  return {
    async begin(baseUrl, returnTo) {
      const { configuration } = await provider.discover();
      const verifier = randomPKCECodeVerifier();
      const [state, nonce] = [randomState(), randomNonce()];
      const url = buildAuthorizationUrl(configuration, {
        redirect_uri: `${baseUrl}/auth/callback`,
        scope: scopesFor(configuration, options),
        code_challenge: await calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        state,
        nonce,
      });
      const started = { state, nonce, verifier, returnTo: ownPath(returnTo) } satisfies Pending;
      const cookie = Buffer.from(JSON.stringify(started)).toString('base64url');
      return { url: url.href, cookie };
    },
    async finish(callbackUrl, cookie) {
      const started = decode(cookie);
      if (started === undefined) throw failed('This browser did not start the sign-in.');
      const { configuration } = await provider.discover();
      try {
        const tokens = await authorizationCodeGrant(configuration, callbackUrl, {
          pkceCodeVerifier: started.verifier,
          expectedState: started.state,
          expectedNonce: started.nonce,
          idTokenExpected: true,
        });
        const { refresh_token: refreshToken } = tokens;
        const claims = tokens.claims() ?? {};
        return { claims, refreshToken, returnTo: ownPath(started.returnTo) };
      } catch (error) {
        throw isNetworkFault(error) ? issuerAway(error) : failed(error);
      }
    },
    async refresh(refreshToken, keep) {
      const { unchecked, keys } = await provider.discover();
      try {
        const tokens = await refreshTokenGrant(unchecked, refreshToken);
        if (tokens.refresh_token !== undefined) await keep(tokens.refresh_token);
        // Without an ID token nothing says what the person's roles are now.
        if (tokens.id_token === undefined) return undefined;
        await jwtVerify(tokens.id_token, keys, {
          algorithms: ALGORITHMS,
          clockTolerance: CLOCK_TOLERANCE_S,
        });
        return tokens.claims();
      } catch (error) {
        if (error instanceof ResponseBodyError && error.error === 'invalid_grant') return undefined;
        throw issuerAway(error);
      }
    },
    async signOutUrl(baseUrl) {
      const { configuration } = await provider.discover();
      if (configuration.serverMetadata().end_session_endpoint === undefined) return undefined;
      const parameters = { post_logout_redirect_uri: `${baseUrl}/` };
      return buildEndSessionUrl(configuration, parameters).href;
    },
  };
}

function scopesFor(configuration: Configuration, { scopes }: OidcOptions): string {
  const known = configuration.serverMetadata().scopes_supported ?? [];
  const asked = scopes.split(' ').filter(one => one !== OFFLINE || known.includes(one));
  return asked.join(' ');
}

/** A path of ours, so that a sign-in link cannot lead people elsewhere. */
function ownPath(path: string | undefined): string {
  const own = path !== undefined && path.length <= 512 && /^\/(?![/\\])[\x21-\x7e]*$/.test(path);
  return own && !path.includes('\\') ? path : '/';
}

function failed(cause: unknown): HoldfastError {
  return new HoldfastError('unauthenticated', 'The sign-in failed. Please start again.', { cause });
}

/** `fetch` reports everything below HTTP as a TypeError, timeouts as a DOMException. */
function isNetworkFault(error: unknown): boolean {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  return (
    (cause instanceof TypeError && cause.message.includes('fetch failed')) ||
    (cause instanceof DOMException && cause.name === 'TimeoutError')
  );
}

function decode(cookie: string | undefined): Pending | undefined {
  try {
    return pending.parse(JSON.parse(Buffer.from(cookie ?? '', 'base64url').toString()));
  } catch {
    return undefined;
  }
}

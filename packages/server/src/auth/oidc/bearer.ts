import { errors, jwtVerify } from 'jose';
import type { Claims } from './claims.ts';
import { issuerAway, type OidcOptions, type OidcProvider } from './provider.ts';

/** Asymmetric algorithms only: a symmetric key that verifies tokens can also sign them. */
export const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
];
/** How far the issuer's clock and ours may differ. */
export const CLOCK_TOLERANCE_S = 30;

/** jose's codes that mean "the keys could not be had", not "the token is wrong". */
const KEYS_AWAY = new Set(['ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID', 'ERR_JOSE_GENERIC']);

export function isKeysAway(error: unknown): boolean {
  return error instanceof errors.JOSEError && KEYS_AWAY.has(error.code);
}

/** The claims of a valid access token; undefined for every other token. Throws `unavailable`. */
export async function verifyBearer(
  provider: OidcProvider,
  options: OidcOptions,
  token: string,
): Promise<Claims | undefined> {
  const { issuer, keys } = await provider.discover();
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      audience: [...options.audiences],
      algorithms: ALGORITHMS,
      clockTolerance: CLOCK_TOLERANCE_S,
      requiredClaims: ['exp', 'sub'],
    });
    return payload;
  } catch (error) {
    if (error instanceof errors.JOSEError && !isKeysAway(error)) return undefined;
    throw issuerAway(error);
  }
}

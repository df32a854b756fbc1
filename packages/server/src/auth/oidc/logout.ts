import { errors, jwtVerify } from 'jose';
import { sql } from 'kysely';
import { HoldfastError } from '../../kernel/index.ts';
import type { Database } from '../../platform/database/index.ts';
import { secondsFromNow } from '../projects.ts';
import { hashSecret } from '../secrets.ts';
import { tables } from '../tables.ts';
import { ALGORITHMS, CLOCK_TOLERANCE_S, isKeysAway } from './bearer.ts';
import { type ClaimNames, type Claims, subjectFromClaims } from './claims.ts';
import { issuerAway, type OidcOptions, type OidcProvider } from './provider.ts';

/** Source: OpenID Connect Back-Channel Logout 1.0, §2.4. */
const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
/** A logout token is used within this time, or asked for again. */
const TOKEN_AGE_MAX_S = 10 * 60;
/** Longer than any access token lives; after that its expiry refuses it. */
const LOGOUT_KEPT_S = 48 * 60 * 60;
const TEXT_MAX_CHARS = 500;

/** What an identity provider may end by itself, without the person's browser. */
export interface BackChannelLogout {
  /**
   * Ends the sign-in that the token names, or all of a person, and refuses the person's tokens from
   * before. Answers whose. Throws `invalid_request` for a token that is not right in every respect,
   * or was used before, and `unavailable`.
   */
  end(logoutToken: string): Promise<string | null>;
  /** Deletes what is no longer needed. */
  sweep(): Promise<void>;
}

export interface LogoutDeps {
  readonly database: Database;
  readonly provider: OidcProvider;
  readonly options: OidcOptions;
  readonly claimNames: ClaimNames;
  /** Called once something has ended. */
  readonly changed: () => void;
}

export function createBackChannelLogout(deps: LogoutDeps): BackChannelLogout {
  const { database, changed } = deps;
  return {
    async end(logoutToken) {
      const { person, sid, jti, issuedAtS } = await verify(deps, logoutToken);
      await database.transaction(async trx => {
        const first = await tables(trx)
          .insertInto('logout_tokens')
          .values({ jti_hash: hashSecret(jti), expires_at: secondsFromNow(2 * TOKEN_AGE_MAX_S) })
          .onConflict(conflict => conflict.doNothing())
          .returning('jti_hash')
          .executeTakeFirst();
        if (first === undefined) throw refused('It was used before.');
        // A sign-in that is newer than the logout is another one.
        const until = sql<Date>`to_timestamp(${issuedAtS + CLOCK_TOLERANCE_S})`;
        let doomed = tables(trx).deleteFrom('console_sessions').where('created_at', '<=', until);
        if (person !== null) doomed = doomed.where('principal_id', '=', person);
        // A person's sign-in whose `sid` was not kept may be the one that is meant.
        if (sid !== null) {
          doomed = doomed.where(eb =>
            eb.or([
              eb('provider_sid', '=', sid),
              ...(person === null ? [] : [eb('provider_sid', 'is', null)]),
            ]),
          );
        }
        await doomed.execute();
        if (person === null || sid !== null) return;
        const at = sql<Date>`to_timestamp(${issuedAtS})`;
        // Tokens may come out of order: the latest logout counts.
        const latest = sql<Date>`greatest(logouts.at, excluded.at)`;
        await tables(trx)
          .insertInto('logouts')
          .values({ principal_id: person, at })
          .onConflict(conflict => conflict.column('principal_id').doUpdateSet({ at: latest }))
          .execute();
      });
      changed();
      return person;
    },
    async sweep() {
      const { db } = database;
      await tables(db)
        .deleteFrom('logout_tokens')
        .where('expires_at', '<', sql<Date>`now()`)
        .execute();
      await tables(db)
        .deleteFrom('logouts')
        .where('at', '<', secondsFromNow(-LOGOUT_KEPT_S))
        .execute();
    },
  };
}

interface LogoutClaims {
  readonly person: string | null;
  readonly sid: string | null;
  readonly jti: string;
  readonly issuedAtS: number;
}

/** Source: OpenID Connect Back-Channel Logout 1.0, §2.6. */
async function verify(deps: LogoutDeps, token: string): Promise<LogoutClaims> {
  const { issuer, keys } = await deps.provider.discover();
  let claims: Claims;
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      audience: deps.options.clientId,
      algorithms: ALGORITHMS,
      clockTolerance: CLOCK_TOLERANCE_S,
      requiredClaims: ['iat', 'jti', 'events'],
      maxTokenAge: TOKEN_AGE_MAX_S,
    });
    claims = payload;
  } catch (error) {
    if (isKeysAway(error)) throw issuerAway(error);
    if (error instanceof errors.JOSEError) throw refused('It is not valid.', error);
    throw issuerAway(error);
  }
  const { events, nonce, sid, jti, iat } = claims;
  if (nonce !== undefined) throw refused('It is an ID token.');
  if (!isLogoutEvent(events)) throw refused('It has no logout event.');
  if (!isText(jti)) throw refused('Its jti is not a text.');
  const person = subjectFromClaims(claims, deps.claimNames) ?? null;
  if (sid !== undefined && !isText(sid)) throw refused('Its sid is not a text.');
  if (person === null && sid === undefined) throw refused('It names neither person nor sign-in.');
  return { person, sid: sid ?? null, jti, issuedAtS: iat as number };
}

function isLogoutEvent(events: unknown): boolean {
  if (typeof events !== 'object' || events === null || !Object.hasOwn(events, EVENT)) return false;
  const event = (events as Record<string, unknown>)[EVENT];
  return typeof event === 'object' && event !== null && !Array.isArray(event);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= TEXT_MAX_CHARS;
}

function refused(why: string, cause?: unknown): HoldfastError {
  const text = `The logout token is refused. ${why}`;
  return new HoldfastError('invalid_request', text, { field: 'logout_token', cause });
}

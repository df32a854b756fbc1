import { setTimeout as delay } from 'node:timers/promises';
import { type Selectable, sql } from 'kysely';
import { HoldfastError, newId } from '../kernel/index.ts';
import type { Database, Executor } from '../platform/database/index.ts';
import type { Sealer } from '../platform/secrets/index.ts';
import type { Logger } from '../platform/telemetry/index.ts';
import type { Person } from './person.ts';
import type { Basis } from './principal.ts';
import { secondsFromNow } from './projects.ts';
import { REFRESH_SEAL } from './refresh-tokens.ts';
import type { Renewal } from './renewal.ts';
import { hashSecret, isSecretShaped, newSecret, sameHash } from './secrets.ts';
import { type ConsoleSessionRow, tables } from './tables.ts';

export interface SignedIn extends Person {
  /** The session. */
  readonly basis: Basis;
  /** The request carried the secret that only our own pages can read. */
  readonly fromPage: boolean;
}

/** What the identity provider gave besides the claims. */
export interface Provided {
  readonly refreshToken?: string | undefined;
  /** Its id of the sign-in. */
  readonly sid?: string | undefined;
}

export interface StartedSession {
  /** For the cookie. */
  readonly token: string;
  /** For our pages, to keep where pages of other origins, those of other ports too, cannot read. */
  readonly pageSecret: string;
}

/**
 * Sessions of browsers: a random token in a cookie, its hash in the database. A session ends when
 * its roles cannot be read again,
 * it was not used for `CONSOLE_IDLE_S`, or `CONSOLE_MAX_S` after sign-in, or at sign-out. Signing
 * in always makes a new token; the one presented before is forgotten.
 */
export interface ConsoleSessions {
  /**
   * `previous` is the token presented at sign-in, if any. With a refresh token the person's roles
   * are read again from time to time; without one the session ends when they are due.
   */
  start(person: Person, previous: string | undefined, provided?: Provided): Promise<StartedSession>;
  /** Reads roles again that are due. Throws `unavailable` where that fails for too long. */
  find(token: string, pageSecret?: string): Promise<SignedIn | undefined>;
  /** Reads the roles of those sessions again that are due, without waiting for it. */
  renewDue(ids: readonly string[]): Promise<void>;
  /** When the session ends because its roles cannot be read again; null: it does not for that. */
  endsAt(id: string): Promise<Date | null>;
  /** Ends the session, and with it what was opened by it. */
  end(token: string): Promise<void>;
  /** Deletes those that have ended; answers how many. */
  sweep(): Promise<number>;
}

export const CONSOLE_IDLE_S = 8 * 60 * 60;
export const CONSOLE_MAX_S = 24 * 60 * 60;
/** Use is noted at most this often. */
const TOUCH_INTERVAL_S = 60;

/** How long roles stand that are due while the issuer does not answer. */
const ROLES_GRACE_S = 60 * 60;
/** How often, and how far apart, a session is looked at that another process renews. */
const BUSY_LOOKS_MAX = 25;
const BUSY_PAUSE_MS = 200;

export interface ConsoleSessionsDeps {
  readonly database: Database;
  readonly sealer: Sealer;
  /** Null in local mode, where roles hold as long as the session. */
  readonly renewal: Renewal | null;
  /** Called once a session has ended. */
  readonly changed: () => void;
  readonly log: Pick<Logger, 'warn'>;
}

export function createConsoleSessions(deps: ConsoleSessionsDeps): ConsoleSessions {
  const { database, sealer, renewal, changed, log } = deps;
  let hasWarned = false;

  /** Once: who signs in is told each time, by the console. */
  function warnOfShortSignIns(renewing: Renewal): void {
    if (hasWarned) return;
    hasWarned = true;
    log.warn('console.no_refresh_token', {
      sign_in_ends_after_s: renewing.rolesHoldS,
      note:
        'The identity provider gives no refresh token. Console sign-ins end after this time, ' +
        'and calls that are open on them are cut. Allow the client offline_access there.',
    });
  }

  return {
    async start(person, previous, { refreshToken, sid } = {}) {
      const [token, pageSecret] = [newSecret(), newSecret()];
      if (renewal !== null && refreshToken === undefined) warnOfShortSignIns(renewal);
      await database.transaction(async trx => {
        if (previous !== undefined) await end(trx, previous);
        const sealed =
          renewal === null || refreshToken === undefined
            ? undefined
            : await sealer.seal(trx, REFRESH_SEAL, refreshToken);
        await tables(trx)
          .insertInto('console_sessions')
          .values({
            id: newId('con'),
            token_hash: hashSecret(token),
            page_hash: hashSecret(pageSecret),
            principal_id: person.id,
            name: person.name,
            roles: sql`${JSON.stringify(person.roles)}::jsonb`,
            expires_at: secondsFromNow(CONSOLE_MAX_S),
            roles_until: renewal === null ? null : secondsFromNow(renewal.rolesHoldS),
            refresh_key_id: sealed?.keyId ?? null,
            refresh_data: sealed?.ciphertext ?? null,
            provider_sid: sid ?? null,
          })
          .execute();
      });
      if (previous !== undefined) changed();
      return { token, pageSecret };
    },
    find: (token, pageSecret) => find(deps, token, pageSecret),
    async renewDue(ids) {
      if (renewal === null || ids.length === 0) return;
      const due = await tables(database.db)
        .selectFrom('console_sessions')
        .select('id')
        .where('id', 'in', [...ids])
        .where('roles_until', '<=', sql<Date>`now()`)
        .execute();
      for (const { id } of due) renewal.renew(id).catch(() => {});
    },
    async endsAt(id) {
      const row = await tables(database.db)
        .selectFrom('console_sessions')
        .select('roles_until')
        .where('id', '=', id)
        .where('refresh_data', 'is', null)
        .executeTakeFirst();
      return row?.roles_until ?? null;
    },
    async end(token) {
      await end(database.db, token);
      changed();
    },
    async sweep() {
      const { numDeletedRows } = await tables(database.db)
        .deleteFrom('console_sessions')
        .where(sql<boolean>`not ${sessionLives('console_sessions')}`)
        .executeTakeFirst();
      return Number(numDeletedRows);
    },
  };
}

/** Whether a row of `console_sessions`, by its name in the query, is a session that goes on. */
export function sessionLives(row: string) {
  const column = (name: string) => sql.ref(`${row}.${name}`);
  return sql<boolean>`(${column('expires_at')} > now()
    and ${column('last_seen_at')} > now() - make_interval(secs => ${CONSOLE_IDLE_S})
    and (${column('roles_until')} is null or ${column('roles_until')} > now()
      or ${column('refresh_data')} is not null))`;
}

/** Whether the roles of such a row count, be they due. */
export function rolesStand(row: string) {
  const until = sql.ref(`${row}.roles_until`);
  return sql<boolean>`(${until} is null
    or ${until} > now() - make_interval(secs => ${ROLES_GRACE_S}))`;
}

async function find(
  { database, renewal }: ConsoleSessionsDeps,
  token: string,
  pageSecret: string | undefined,
): Promise<SignedIn | undefined> {
  for (let looks = 1; ; looks += 1) {
    const row = await lookUp(database.db, token);
    if (row === undefined || !row.due) return row && present(row, pageSecret);
    const renewed = (await renewal?.renew(row.id)) ?? 'away';
    if (renewed === 'busy' && looks < BUSY_LOOKS_MAX) await delay(BUSY_PAUSE_MS);
    else if (renewed === 'busy' || renewed === 'away') {
      if (row.stand) return present(row, pageSecret);
      throw new HoldfastError('unavailable', 'The identity provider does not answer.', {
        retryAfterS: 5,
      });
    }
  }
}

type Found = Pick<
  Selectable<ConsoleSessionRow>,
  'id' | 'principal_id' | 'name' | 'roles' | 'page_hash'
> & { readonly due: boolean; readonly stand: boolean };

async function lookUp(executor: Executor, token: string): Promise<Found | undefined> {
  if (!isSecretShaped('', token)) return undefined;
  const { rows } = await sql<Found>`
    with found as (
      select id, principal_id, name, roles, page_hash, last_seen_at,
        coalesce(roles_until <= now(), false) as due, ${rolesStand('console_sessions')} as stand
      from console_sessions
      where token_hash = ${hashSecret(token)} and ${sessionLives('console_sessions')}
    ), touched as (
      update console_sessions set last_seen_at = now() where id in (
        select id from found
        where last_seen_at < now() - make_interval(secs => ${TOUCH_INTERVAL_S})
      )
    )
    select id, principal_id, name, roles, page_hash, due, stand from found
  `.execute(executor);
  return rows[0];
}

function present(row: Found, pageSecret: string | undefined): SignedIn {
  const { principal_id: id, name, roles, page_hash: hash } = row;
  const fromPage =
    pageSecret !== undefined && hash !== null && sameHash(hashSecret(pageSecret), hash);
  return { id, name, roles, basis: { kind: 'console', id: row.id }, fromPage };
}

async function end(executor: Executor, token: string): Promise<void> {
  if (!isSecretShaped('', token)) return;
  await tables(executor)
    .deleteFrom('console_sessions')
    .where('token_hash', '=', hashSecret(token))
    .execute();
}

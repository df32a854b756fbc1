import type { Role } from '@holdfast/protocol';
import { type Selectable, sql } from 'kysely';
import { newId } from '../kernel/index.ts';
import type { Database, Executor } from '../platform/database/index.ts';
import type { Basis } from './principal.ts';
import { secondsFromNow } from './projects.ts';
import { hashSecret, isSecretShaped, newSecret, sameHash } from './secrets.ts';
import { type ConsoleSessionRow, tables } from './tables.ts';

/** A person who is signed in with a browser. */
export interface Person {
  /** The principal's id. */
  readonly id: string;
  readonly name: string;
  /** Role by project, as of sign-in. */
  readonly roles: Readonly<Record<string, Role>>;
}

export interface SignedIn extends Person {
  /** The session. */
  readonly basis: Basis;
  /** The request carried the secret that only our own pages can read. */
  readonly fromPage: boolean;
}

export interface StartedSession {
  /** For the cookie. */
  readonly token: string;
  /** For our pages, to keep where pages of other origins, those of other ports too, cannot read. */
  readonly pageSecret: string;
}

/**
 * Sessions of browsers: a random token in a cookie, its hash in the database. A session ends when
 * it was not used for `CONSOLE_IDLE_S`, or `CONSOLE_MAX_S` after sign-in, or at sign-out. Signing
 * in always makes a new token; the one presented before is forgotten.
 */
export interface ConsoleSessions {
  /** `previous` is the token presented at sign-in, if any. */
  start(person: Person, previous: string | undefined): Promise<StartedSession>;
  find(token: string, pageSecret?: string): Promise<SignedIn | undefined>;
  /** Ends the session, and with it what was opened by it. */
  end(token: string): Promise<void>;
  /** Deletes those that have ended; answers how many. */
  sweep(): Promise<number>;
}

export const CONSOLE_IDLE_S = 8 * 60 * 60;
export const CONSOLE_MAX_S = 24 * 60 * 60;
/** Use is noted at most this often. */
const TOUCH_INTERVAL_S = 60;

/** `changed` is called once a session has ended. */
export function createConsoleSessions(database: Database, changed: () => void): ConsoleSessions {
  return {
    async start(person, previous) {
      const [token, pageSecret] = [newSecret(), newSecret()];
      await database.transaction(async trx => {
        if (previous !== undefined) await end(trx, previous);
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
          })
          .execute();
      });
      if (previous !== undefined) changed();
      return { token, pageSecret };
    },
    find: (token, pageSecret) => find(database.db, token, pageSecret),
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
    and ${column('last_seen_at')} > now() - make_interval(secs => ${CONSOLE_IDLE_S}))`;
}

async function find(
  executor: Executor,
  token: string,
  pageSecret: string | undefined,
): Promise<SignedIn | undefined> {
  if (!isSecretShaped('', token)) return undefined;
  const { rows } = await sql<
    Pick<Selectable<ConsoleSessionRow>, 'id' | 'principal_id' | 'name' | 'roles' | 'page_hash'>
  >`
    with found as (
      select id, principal_id, name, roles, page_hash, last_seen_at from console_sessions
      where token_hash = ${hashSecret(token)} and ${sessionLives('console_sessions')}
    ), touched as (
      update console_sessions set last_seen_at = now() where id in (
        select id from found
        where last_seen_at < now() - make_interval(secs => ${TOUCH_INTERVAL_S})
      )
    )
    select id, principal_id, name, roles, page_hash from found
  `.execute(executor);
  const row = rows[0];
  if (row === undefined) return undefined;
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

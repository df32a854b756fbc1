import type { Role } from '@holdfast/protocol';
import { sql } from 'kysely';
import { newId } from '../kernel/index.ts';
import type { Database, Executor } from '../platform/database/index.ts';
import { secondsFromNow } from './projects.ts';
import { hashSecret, isSecretShaped, newSecret } from './secrets.ts';
import { tables } from './tables.ts';

/** A person who is signed in with a browser. */
export interface Person {
  /** The principal's id. */
  readonly id: string;
  readonly name: string;
  /** Role by project, as of sign-in. */
  readonly roles: Readonly<Record<string, Role>>;
}

/**
 * Sessions of browsers: a random token in a cookie, its hash in the database. A session ends when
 * it was not used for `CONSOLE_IDLE_S`, or `CONSOLE_MAX_S` after sign-in, or at sign-out. Signing
 * in always makes a new token; the one presented before is forgotten.
 */
export interface ConsoleSessions {
  /** Answers the new token. `previous` is the token presented at sign-in, if any. */
  start(person: Person, previous: string | undefined): Promise<string>;
  find(token: string): Promise<Person | undefined>;
  end(token: string): Promise<void>;
  /** Deletes those that have ended; answers how many. */
  sweep(): Promise<number>;
}

export const CONSOLE_IDLE_S = 8 * 60 * 60;
export const CONSOLE_MAX_S = 24 * 60 * 60;
/** Use is noted at most this often. */
const TOUCH_INTERVAL_S = 60;

export function createConsoleSessions(database: Database): ConsoleSessions {
  return {
    async start(person, previous) {
      const token = newSecret();
      await database.transaction(async trx => {
        if (previous !== undefined) await end(trx, previous);
        await tables(trx)
          .insertInto('console_sessions')
          .values({
            id: newId('con'),
            token_hash: hashSecret(token),
            principal_id: person.id,
            name: person.name,
            roles: sql`${JSON.stringify(person.roles)}::jsonb`,
            expires_at: secondsFromNow(CONSOLE_MAX_S),
          })
          .execute();
      });
      return token;
    },
    find: token => find(database.db, token),
    end: token => end(database.db, token),
    async sweep() {
      const { numDeletedRows } = await tables(database.db)
        .deleteFrom('console_sessions')
        .where(sql<boolean>`not ${alive}`)
        .executeTakeFirst();
      return Number(numDeletedRows);
    },
  };
}

const alive = sql<boolean>`(expires_at > now()
  and last_seen_at > now() - make_interval(secs => ${CONSOLE_IDLE_S}))`;

async function find(executor: Executor, token: string): Promise<Person | undefined> {
  if (!isSecretShaped('', token)) return undefined;
  const { rows } = await sql<{ principal_id: string; name: string; roles: Record<string, Role> }>`
    with found as (
      select id, principal_id, name, roles, last_seen_at from console_sessions
      where token_hash = ${hashSecret(token)} and ${alive}
    ), touched as (
      update console_sessions set last_seen_at = now() where id in (
        select id from found
        where last_seen_at < now() - make_interval(secs => ${TOUCH_INTERVAL_S})
      )
    )
    select principal_id, name, roles from found
  `.execute(executor);
  const row = rows[0];
  return row === undefined ? undefined : { id: row.principal_id, name: row.name, roles: row.roles };
}

async function end(executor: Executor, token: string): Promise<void> {
  if (!isSecretShaped('', token)) return;
  await tables(executor)
    .deleteFrom('console_sessions')
    .where('token_hash', '=', hashSecret(token))
    .execute();
}

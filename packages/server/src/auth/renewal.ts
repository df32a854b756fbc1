import { sql } from 'kysely';
import type { Database } from '../platform/database/index.ts';
import type { Sealer } from '../platform/secrets/index.ts';
import type { Logger } from '../platform/telemetry/index.ts';
import type { Person } from './person.ts';
import { secondsFromNow } from './projects.ts';
import { REFRESH_SEAL, RefreshTokens } from './refresh-tokens.ts';
import { tables } from './tables.ts';

/**
 * Reads a person's claims again. Throws while the issuer does not answer. `keep` gets the token for
 * the next time first, because the one presented may be used up.
 */
export type ReadAgain = (
  refreshToken: string,
  keep: (next: string) => Promise<void>,
) => Promise<Person | undefined>;

export interface RenewalDeps {
  readonly database: Database;
  readonly sealer: Sealer;
  readonly log: Pick<Logger, 'warn'>;
  /** How long roles hold before they are read again. */
  readonly rolesHoldS: number;
  /** Undefined where it gives none any more. */
  readonly readAgain: ReadAgain;
  /** Called once a session's rights have changed. */
  readonly changed: () => void;
}

/** `busy`: another process is at it. `away`: the issuer does not answer, or did not just now. */
type Renewed = 'renewed' | 'over' | 'busy' | 'away';

/**
 * Reads the roles of signed-in people again. A refresh token may be good for one use, so of all
 * processes one at a time uses it, and each keeps what it gets in return. What a process that is
 * killed just then has got is lost: the sign-in ends when its roles are due.
 */
export interface Renewal {
  readonly rolesHoldS: number;
  /** Renews the session whose roles are due. Never rejects but for the database. */
  renew(sessionId: string): Promise<Renewed>;
}

/** Longer than the issuer may take to answer. */
const RENEWING_S = 15;
/** After the issuer did not answer. */
const AWAY_PAUSE_S = 5;

export function createRenewal(deps: RenewalDeps): Renewal {
  const { database, sealer, log } = deps;
  const tokens = new RefreshTokens(database, sealer);
  const running = new Map<string, Promise<Renewed>>();

  async function renew(id: string): Promise<Renewed> {
    // Before anyone presents the one that is used up.
    await tokens.settle(id);
    const claimed = await claim(database, id);
    if (claimed === undefined) return (await isPaused(database, id)) ? 'away' : 'busy';
    const token = await sealer.open(database.db, REFRESH_SEAL, claimed);
    let read: Awaited<ReturnType<ReadAgain>>;
    try {
      read =
        typeof token === 'string'
          ? await deps.readAgain(token, next =>
              tokens.keep(id, { token: next, after: claimed.ciphertext }),
            )
          : undefined;
    } catch (error) {
      log.warn('console.roles_not_read', { session: id, error });
      await tables(database.db)
        .updateTable('console_sessions')
        .set({ renewing_until: secondsFromNow(AWAY_PAUSE_S), renewal_paused: true })
        .where('id', '=', id)
        .execute();
      return 'away';
    }
    if (read === undefined || read.id !== claimed.principalId) {
      await tables(database.db).deleteFrom('console_sessions').where('id', '=', id).execute();
      deps.changed();
      return 'over';
    }
    await tables(database.db)
      .updateTable('console_sessions')
      .set({
        name: read.name,
        roles: sql`${JSON.stringify(read.roles)}::jsonb`,
        roles_until: secondsFromNow(deps.rolesHoldS),
        renewing_until: null,
      })
      .where('id', '=', id)
      .execute();
    deps.changed();
    return 'renewed';
  }

  return {
    rolesHoldS: deps.rolesHoldS,
    renew(id) {
      const found = running.get(id);
      if (found !== undefined) return found;
      const renewing = renew(id).finally(() => running.delete(id));
      running.set(id, renewing);
      return renewing;
    },
  };
}

/** Takes the refresh token of a session that is due, for `RENEWING_S`. */
async function claim(database: Database, id: string) {
  const row = await tables(database.db)
    .updateTable('console_sessions')
    .set({ renewing_until: secondsFromNow(RENEWING_S), renewal_paused: false })
    .where('id', '=', id)
    .where('roles_until', '<=', sql<Date>`now()`)
    .where('refresh_data', 'is not', null)
    .where(eb =>
      eb.or([eb('renewing_until', 'is', null), eb('renewing_until', '<=', sql<Date>`now()`)]),
    )
    .returning(['principal_id', 'refresh_key_id', 'refresh_data'])
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const { principal_id: principalId, refresh_key_id: keyId, refresh_data: ciphertext } = row;
  return { principalId, keyId: keyId!, ciphertext: ciphertext! };
}

/** Whether a session waits for an issuer that did not answer, not for a process that asks it. */
async function isPaused(database: Database, id: string): Promise<boolean> {
  const row = await tables(database.db)
    .selectFrom('console_sessions')
    .select('renewal_paused')
    .where('id', '=', id)
    .executeTakeFirst();
  return row?.renewal_paused === true;
}

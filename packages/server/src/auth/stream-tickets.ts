import { sql } from 'kysely';
import type { Database } from '../platform/database/index.ts';
import { presentRole } from './present-roles.ts';
import type { Principal } from './principal.ts';
import { hashSecret, isSecretShaped, newSecret } from './secrets.ts';
import { type TicketPrincipal, tables } from './tables.ts';

const STREAM_TICKET_PREFIX = 'st_';
const STREAM_TICKET_TTL_S = 15 * 60;

interface StreamTicket {
  /** `st_…`; shown once. */
  readonly value: string;
  readonly expiresAt: Date;
}

/**
 * Credentials for `EventSource`, which cannot send headers: they permit following some subjects on
 * their creator's behalf, any number of times for a quarter of an hour, and nothing else. URLs end
 * up in histories and logs, so a ticket must be worth little.
 */
export interface StreamTickets {
  /** Whether `by` may read these subjects, the caller has checked. */
  mint(by: Principal, subjects: readonly string[]): Promise<StreamTicket>;
  /** The principal behind a ticket; undefined once it, or the right that minted it, is over. */
  verify(value: string): Promise<Principal | undefined>;
  /** Deletes expired ones; answers how many. */
  sweep(): Promise<number>;
}

export function createStreamTickets({ db }: Database): StreamTickets {
  return {
    async mint(by, subjects) {
      if (by.kind === 'client_secret') throw new TypeError('a client secret mints no tickets');
      const value = newSecret(STREAM_TICKET_PREFIX);
      const { kind, id, name, projectId, role, basis, scopes } = by;
      const principal: TicketPrincipal = {
        kind,
        id,
        name,
        projectId,
        role,
        ...(basis && { basis }),
        ...(scopes && { scopes }),
      };
      const row = await tables(db)
        .insertInto('stream_tickets')
        .values({
          token_hash: hashSecret(value),
          principal: JSON.stringify(principal),
          subjects: [...subjects],
          expires_at: sql<Date>`now() + ${STREAM_TICKET_TTL_S} * interval '1 second'`,
        })
        .returning('expires_at')
        .executeTakeFirstOrThrow();
      return { value, expiresAt: row.expires_at };
    },
    async verify(value) {
      if (!isSecretShaped(STREAM_TICKET_PREFIX, value)) return undefined;
      const row = await tables(db)
        .selectFrom('stream_tickets')
        .select(['principal', 'subjects'])
        .where('token_hash', '=', hashSecret(value))
        .where('expires_at', '>', sql<Date>`now()`)
        .executeTakeFirst();
      if (row === undefined) return undefined;
      const role = await presentRole(db, row.principal);
      return role === null ? undefined : { ...row.principal, role, ticketSubjects: row.subjects };
    },
    async sweep() {
      const { numDeletedRows } = await tables(db)
        .deleteFrom('stream_tickets')
        .where('expires_at', '<', sql<Date>`now()`)
        .executeTakeFirst();
      return Number(numDeletedRows);
    },
  };
}

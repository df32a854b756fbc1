import type { Database } from '../platform/database/index.ts';
import type { Sealer } from '../platform/secrets/index.ts';
import { tables } from './tables.ts';

/** All refresh tokens are sealed with one key: they are deleted with their session. */
export const REFRESH_SEAL = 'console-sessions';
/** How often a token is written again that the database did not take. */
const KEEP_INTERVAL_MS = 500;
/** Such tokens at the most; of further ones the sign-in ends, as its old token is used up. */
const UNKEPT_MAX = 10_000;

export interface NextToken {
  readonly token: string;
  /** The sealed one that was presented for it. */
  readonly after: Uint8Array;
}

/**
 * Stores the tokens that take the place of those that were presented, which may be used up: what
 * the database does not take is written again and again. Only this process has it meanwhile.
 */
export class RefreshTokens {
  readonly #database: Database;
  readonly #sealer: Sealer;
  /** What the database did not take, by session. */
  readonly #unkept = new Map<string, NextToken>();
  #timer: NodeJS.Timeout | undefined;

  constructor(database: Database, sealer: Sealer) {
    this.#database = database;
    this.#sealer = sealer;
  }

  /** Throws where the database does not take it now. */
  async keep(sessionId: string, next: NextToken): Promise<void> {
    try {
      await this.#write(sessionId, next);
      this.#unkept.delete(sessionId);
    } catch (error) {
      if (this.#unkept.size < UNKEPT_MAX || this.#unkept.has(sessionId)) {
        this.#unkept.set(sessionId, next);
      }
      this.#timer ??= setTimeout(() => void this.#keepAll(), KEEP_INTERVAL_MS).unref();
      throw error;
    }
  }

  /** Resolves once nothing is owed to this session; throws while the database takes nothing. */
  async settle(sessionId: string): Promise<void> {
    const owed = this.#unkept.get(sessionId);
    if (owed !== undefined) await this.keep(sessionId, owed);
  }

  /** One after the other: while the database is away, the first shows it. */
  async #keepAll(): Promise<void> {
    this.#timer = undefined;
    for (const sessionId of this.#unkept.keys()) {
      const isKept = await this.settle(sessionId).then(
        () => true,
        () => false,
      );
      if (!isKept) return;
    }
  }

  async #write(sessionId: string, { token, after }: NextToken): Promise<void> {
    await this.#database.transaction(async trx => {
      const sealed = await this.#sealer.seal(trx, REFRESH_SEAL, token);
      await tables(trx)
        .updateTable('console_sessions')
        .set({ refresh_key_id: sealed.keyId, refresh_data: sealed.ciphertext })
        .where('id', '=', sessionId)
        // Another process may have one that is newer by now.
        .where('refresh_data', '=', after)
        .execute();
    });
  }
}

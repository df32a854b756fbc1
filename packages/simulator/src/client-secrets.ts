/**
 * Ephemeral keys (`ek_…`): made by `POST /realtime/client_secrets`, good for any number of sessions
 * until they expire, and carrying the configuration those sessions start with.
 */
import { z } from 'zod';
import { MAX_CLIENT_SECRETS } from './limits.ts';
import type { Random } from './random.ts';
import type { SessionRequest } from './session/config.ts';
import type { TranslationRequest } from './translation/session.ts';

const DEFAULT_TTL_S = 600;
const SECRET_LENGTH = 32;

export const clientSecretRequest = z.strictObject({
  expires_after: z
    .strictObject({
      anchor: z.literal('created_at').default('created_at'),
      seconds: z.number().int().min(10).max(7_200).default(DEFAULT_TTL_S),
    })
    .default({ anchor: 'created_at', seconds: DEFAULT_TTL_S }),
  session: z.unknown().optional(),
});

export interface ClientSecret {
  value: string;
  /** Seconds since the Unix epoch. */
  expiresAtS: number;
  session: SessionRequest | undefined;
  /** Of a secret for translations. */
  translation: TranslationRequest | undefined;
}

/** What a secret is for. */
export type SecretContent = Partial<Pick<ClientSecret, 'session' | 'translation'>>;

export class ClientSecrets {
  readonly #secrets = new Map<string, ClientSecret>();
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  create(content: SecretContent, ttlS: number, nowMs: number): ClientSecret {
    const value = this.#random.id('ek', SECRET_LENGTH);
    const { session, translation } = content;
    const expiresAtS = Math.floor(nowMs / 1000) + ttlS;
    const secret = { value, expiresAtS, session, translation };
    this.#secrets.set(value, secret);
    for (const oldest of this.#secrets.keys()) {
      if (this.#secrets.size <= MAX_CLIENT_SECRETS) break;
      this.#secrets.delete(oldest);
    }
    return secret;
  }

  /** The living secret with that value. */
  find(value: string, nowMs: number): ClientSecret | undefined {
    const secret = this.#secrets.get(value);
    if (secret === undefined || secret.expiresAtS * 1000 > nowMs) return secret;
    this.#secrets.delete(value);
    return undefined;
  }
}

import type { Clock } from '../../kernel/index.ts';
import { hashSecret, newSecret, sameHash } from '../secrets.ts';

/** An unused link stops working after this time. */
export const ADMIN_LINK_TTL_MS = 12 * 60 * 60 * 1000;
/** Older unused links stop working when more are made. */
export const ADMIN_LINKS_MAX = 10;

export interface AdminLinks {
  /** A new one-time token for `/auth/local?token=…`. */
  mint(): string;
  /** True once for each token, within its time. */
  redeem(token: string): boolean;
}

/**
 * One-time tokens that start an Admin's console session in local mode. They live in this process
 * only, and anyone who can read its output can use them. `offered` is a token that the launcher
 * made, so that it can print the link itself.
 */
export function createAdminLinks(clock: Clock, offered: string | undefined): AdminLinks {
  const links: { hash: string; expiresAtMs: number }[] = [];
  const add = (token: string) => {
    links.push({ hash: hashSecret(token), expiresAtMs: clock.monotonicMs() + ADMIN_LINK_TTL_MS });
    if (links.length > ADMIN_LINKS_MAX) links.shift();
  };
  if (offered !== undefined) add(offered);
  return {
    mint() {
      const token = newSecret();
      add(token);
      return token;
    },
    redeem(token) {
      const hash = hashSecret(token);
      const index = links.findIndex(link => sameHash(link.hash, hash));
      const [link] = index < 0 ? [] : links.splice(index, 1);
      return link !== undefined && link.expiresAtMs > clock.monotonicMs();
    },
  };
}

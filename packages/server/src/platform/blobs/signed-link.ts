import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * Signatures of links to blobs: HMAC-SHA-256 over the key and the expiry, so that neither can be
 * changed. The holder of a link may read that one blob until then, and nothing else.
 */
export function signLink(signingKey: Uint8Array, key: string, expires: number): string {
  return createHmac('sha256', signingKey).update(`${key}\n${expires}`).digest('base64url');
}

/** Compares in constant time. */
export function isLinkSignature(
  signingKey: Uint8Array,
  link: { key: string; expires: number; signature: string },
): boolean {
  const expected = Buffer.from(signLink(signingKey, link.key, link.expires));
  const given = Buffer.from(link.signature);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

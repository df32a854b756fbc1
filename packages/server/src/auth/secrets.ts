import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** Every secret we make: 256 random bits, so that a plain hash is enough to store it by. */
const SECRET_BYTES = 32;
const SECRET_CHARS = 43;

export const API_KEY_PREFIX = 'hf_';
export const CLIENT_SECRET_PREFIX = 'ek_';
export const RUN_TOKEN_PREFIX = 'rt_';
/** So much of an API key is shown in lists: the prefix and six characters. */
export const SHOWN_CHARS = 9;

/** `prefix` and 43 characters of base64url. */
export function newSecret(prefix = ''): string {
  return prefix + randomBytes(SECRET_BYTES).toString('base64url');
}

/** SHA-256 in hexadecimal. The timing of a look-up by hash reveals nothing about the secret. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** Whether `value` is shaped like a secret we made; it may be invalid. */
export function isSecretShaped(prefix: string, value: string): boolean {
  return (
    value.length === prefix.length + SECRET_CHARS &&
    value.startsWith(prefix) &&
    /^[A-Za-z0-9_-]+$/.test(value)
  );
}

/** Compares two hashes in constant time. */
export function sameHash(a: string, b: string): boolean {
  const [one, other] = [Buffer.from(a), Buffer.from(b)];
  return one.length === other.length && timingSafeEqual(one, other);
}

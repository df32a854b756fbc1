/** Shorter strings are no secrets, and masking them would make output unreadable. */
export const SECRET_MIN_CHARS = 8;
export const MASK = '***';

/** `text` with every known secret replaced, longest first, so that no part of one is left. */
export function mask(text: string, secrets: readonly string[]): string {
  const known = secrets.filter(secret => secret.length >= SECRET_MIN_CHARS);
  known.sort((a, b) => b.length - a.length);
  return known.reduce((masked, secret) => masked.replaceAll(secret, MASK), text);
}

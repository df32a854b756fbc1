import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/**
 * Whether a webhook comes from who knows the secret, and lately. Source: standardwebhooks.com;
 * `openai` 7.57 `lib/webhook-signature`: the base64 HMAC-SHA256 of `id.timestamp.body`, one of
 * several after `v1,`, separated by spaces.
 */
const TOLERANCE_S = 300;
/** Secrets are rotated by signing with both; more signatures than this are not looked at. */
const SIGNATURES_MAX = 32;
const ID_MAX_CHARS = 200;

export const WEBHOOK_HEADERS = ['webhook-id', 'webhook-timestamp', 'webhook-signature'] as const;

export function isSigned(
  message: { readonly headers: IncomingHttpHeaders; readonly body: Buffer },
  secret: string,
  nowMs: number,
): boolean {
  const [id, timestamp, signatures] = WEBHOOK_HEADERS.map(name => message.headers[name]);
  if (typeof id !== 'string' || typeof timestamp !== 'string') return false;
  if (typeof signatures !== 'string' || id.length > ID_MAX_CHARS) return false;
  if (!/^\d{1,12}$/.test(timestamp)) return false;
  if (Math.abs(nowMs / 1000 - Number(timestamp)) > TOLERANCE_S) return false;
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : secret;
  const wanted = createHmac('sha256', key)
    .update(`${id}.${timestamp}.`)
    .update(message.body)
    .digest();
  return signatures.split(' ', SIGNATURES_MAX).some(signature => {
    const given = Buffer.from(signature.replace(/^v1,/, ''), 'base64');
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  });
}

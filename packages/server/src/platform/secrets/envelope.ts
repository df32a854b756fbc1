import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto';

/**
 * AES-256-GCM boxes: one byte of format version, 12 bytes of random nonce, the ciphertext, 16 bytes
 * of tag. The associated data is not part of the box; it names what the box belongs to, so that a
 * box moved elsewhere does not open.
 */
const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = 'aes-256-gcm';

export const DATA_KEY_BYTES = 32;

export function sealBox(key: KeyObject, belongsTo: readonly string[], plain: Uint8Array): Buffer {
  return sealBoxes(key, belongsTo, [plain])[0]!;
}

/** A box for each, in the same order; together they cost half of what they cost one by one. */
export function sealBoxes(
  key: KeyObject,
  belongsTo: readonly string[],
  plains: readonly Uint8Array[],
): Buffer[] {
  const associated = associatedData(belongsTo);
  const nonces = randomBytes(NONCE_BYTES * plains.length);
  return plains.map((plain, at) => {
    const nonce = nonces.subarray(NONCE_BYTES * at, NONCE_BYTES * (at + 1));
    const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(associated);
    const body = [cipher.update(plain), cipher.final()];
    return Buffer.concat([Buffer.of(VERSION), nonce, ...body, cipher.getAuthTag()]);
  });
}

/** Throws when the box was altered, belongs elsewhere, or was made with another key. */
export function openBox(key: KeyObject, belongsTo: readonly string[], box: Uint8Array): Buffer {
  const bytes = Buffer.from(box.buffer, box.byteOffset, box.byteLength);
  if (bytes.length < 1 + NONCE_BYTES + TAG_BYTES || bytes[0] !== VERSION) {
    throw new Error('The sealed value has an unknown format.');
  }
  const nonce = bytes.subarray(1, 1 + NONCE_BYTES);
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(associatedData(belongsTo));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  const body = bytes.subarray(1 + NONCE_BYTES, -TAG_BYTES);
  return Buffer.concat([decipher.update(body), decipher.final()]);
}

/** As a JSON array, so that no two lists of parts read the same. */
function associatedData(parts: readonly string[]): Buffer {
  return Buffer.from(JSON.stringify(['holdfast', VERSION, ...parts]));
}

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { HoldfastError } from '../../kernel/index.ts';
import type { DataKey } from './data-keys.ts';

/**
 * Values of any length under a data key, in blocks, so that neither end holds more than one:
 *
 *   header of 256 bytes (JSON: version, subject, key id, salt) · blocks of at most 64 KiB, each
 *   with a tag of 16 bytes
 *
 * Each value has an AES-256-GCM key of its own, derived from the data key, a random salt, and the
 * value's name. A block's nonce is its number and whether it is the last: a value that was cut,
 * reordered, or put under another name does not open.
 */
const VERSION = 2;
const HEADER_BYTES = 256;
const BLOCK_BYTES = 64 * 1024;
const SALT_BYTES = 32;
const TAG_BYTES = 16;
const NONCE_BYTES = 12;
const CIPHER = 'aes-256-gcm';

type Bytes = AsyncIterable<Uint8Array>;

/** Bytes of a value when it is sealed. */
export function sealedBytes(plainBytes: number): number {
  const blocks = Math.max(1, Math.ceil(plainBytes / BLOCK_BYTES));
  return HEADER_BYTES + plainBytes + blocks * TAG_BYTES;
}

export async function* sealBytes(dataKey: DataKey, name: string, plain: Bytes) {
  const { subject, keyId } = dataKey;
  const salt = randomBytes(SALT_BYTES);
  const facts = { v: VERSION, subject, keyId, salt: salt.toString('base64') };
  const header = Buffer.from(JSON.stringify(facts).padEnd(HEADER_BYTES));
  if (header.length > HEADER_BYTES) throw new Error('The name of a subject is too long to seal.');
  yield header;
  const key = deriveKey(dataKey, name, salt);
  let number = 0;
  for await (const { block, isLast } of blocksOf(plain, BLOCK_BYTES, BLOCK_BYTES)) {
    const nonce = nonceOf(number++, isLast);
    const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
    yield Buffer.concat([cipher.update(block), cipher.final(), cipher.getAuthTag()]);
  }
}

/**
 * `keyOf` answers undefined for a key that was erased: `gone`. Throws `internal` for a value that
 * was altered, which may be after some of its blocks were given out.
 */
export async function* openBytes(
  name: string,
  sealed: Bytes,
  keyOf: (subject: string, keyId: string) => Promise<DataKey | undefined>,
) {
  let key: Uint8Array | undefined;
  let number = 0;
  for await (const { block, isLast } of blocksOf(sealed, HEADER_BYTES, BLOCK_BYTES + TAG_BYTES)) {
    if (key === undefined) {
      const { subject, keyId, salt } = readHeader(block);
      const dataKey = await keyOf(subject, keyId);
      if (dataKey === undefined) throw new HoldfastError('gone', 'This was erased.');
      key = deriveKey(dataKey, name, salt);
    } else yield openBlock(key, nonceOf(number++, isLast), block);
  }
  if (number === 0) throw altered();
}

function readHeader(header: Buffer): { subject: string; keyId: string; salt: Buffer } {
  try {
    const { v, subject, keyId, salt } = JSON.parse(header.toString('utf8'));
    if (v !== VERSION) throw new Error('The sealed value has an unknown format.');
    return { subject: String(subject), keyId: String(keyId), salt: Buffer.from(salt, 'base64') };
  } catch (cause) {
    throw altered(cause);
  }
}

function openBlock(key: Uint8Array, nonce: Buffer, block: Buffer): Buffer {
  try {
    const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAuthTag(block.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(block.subarray(0, -TAG_BYTES)), decipher.final()]);
  } catch (cause) {
    throw altered(cause);
  }
}

/** The key of one value. Parts are given as a JSON array, so that no two lists read the same. */
function deriveKey({ subject, keyId, key }: DataKey, name: string, salt: Buffer): Uint8Array {
  const info = JSON.stringify(['holdfast', VERSION, subject, keyId, name]);
  return new Uint8Array(hkdfSync('sha256', key, salt, info, 32));
}

function nonceOf(number: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeUInt32BE(number, NONCE_BYTES - 5);
  nonce[NONCE_BYTES - 1] = isLast ? 1 : 0;
  return nonce;
}

/** Blocks of `restBytes`, the first of `firstBytes`; the last has what is left, if anything. */
async function* blocksOf(source: Bytes, firstBytes: number, restBytes: number) {
  let held: Buffer = Buffer.alloc(0);
  let wanted = firstBytes;
  for await (const chunk of source) {
    held = Buffer.concat([held, chunk]);
    while (held.length > wanted) {
      yield { block: held.subarray(0, wanted), isLast: false };
      held = held.subarray(wanted);
      wanted = restBytes;
    }
  }
  yield { block: held, isLast: true };
}

function altered(cause?: unknown): HoldfastError {
  return new HoldfastError('internal', 'A stored value was altered and cannot be read.', { cause });
}

import { HoldfastError } from '../../kernel/index.ts';

/** The longest key: Azure's limit for blob names. */
const KEY_MAX_CHARS = 1024;
/** The longest part between two slashes: the limit of usual file systems. */
export const SEGMENT_MAX_CHARS = 255;

const SEGMENT = /^[A-Za-z0-9._-]+$/;
const PREFIX = /^[A-Za-z0-9._/-]*$/;

/**
 * Refuses every key that is not a plain relative path. This is what keeps a key inside of its
 * folder, so it stands before any use of a key as a path.
 */
export function checkKey(key: string): void {
  const segments = key.split('/');
  const sound = segments.every(
    part => SEGMENT.test(part) && part !== '.' && part !== '..' && part.length <= SEGMENT_MAX_CHARS,
  );
  if (!sound || key.length > KEY_MAX_CHARS) {
    throw new HoldfastError('invalid_request', 'Not a valid blob key.', { field: 'key' });
  }
}

/** A prefix may be empty or end anywhere, also within a segment. */
export function checkPrefix(prefix: string): void {
  const climbs = prefix.split('/').some(part => part === '..' || part === '.');
  if (!PREFIX.test(prefix) || prefix.startsWith('/') || climbs || prefix.length > KEY_MAX_CHARS) {
    throw new HoldfastError('invalid_request', 'Not a valid blob prefix.', { field: 'prefix' });
  }
}

import { HoldfastError } from '../../kernel/index.ts';
import type { ByteRange } from './blob-store.ts';

const SINGLE_RANGE = /^bytes=(\d{0,15})-(\d{0,15})$/;

/**
 * One range of a `Range` header (RFC 9110 §14.1.2) for a body of `sizeBytes`. Undefined means the
 * whole body: no header, another unit, several ranges, or an invalid one, all of which a server may
 * ignore. Throws `range_not_satisfiable` when the range lies behind the end.
 */
export function parseByteRange(
  header: string | undefined,
  sizeBytes: number,
): ByteRange | undefined {
  const [, first = '', last = ''] = SINGLE_RANGE.exec(header ?? '') ?? [];
  if (first === '' && last === '') return undefined;
  const range =
    first === ''
      ? { start: Math.max(0, sizeBytes - Number(last)), end: sizeBytes - 1 }
      : { start: Number(first), end: last === '' ? sizeBytes - 1 : Number(last) };
  if (last !== '' && first !== '' && range.end < range.start) return undefined;
  checkRange(range, sizeBytes, first === '' && Number(last) === 0);
  return { start: range.start, end: Math.min(range.end, sizeBytes - 1) };
}

/** Throws `range_not_satisfiable` for a range that has no byte in common with the body. */
export function checkRange(range: ByteRange, sizeBytes: number, isEmpty = false): void {
  if (!isEmpty && range.start < sizeBytes) return;
  throw new HoldfastError('range_not_satisfiable', `The body has ${sizeBytes} bytes.`, {
    field: 'range',
  });
}

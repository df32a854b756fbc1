import { HoldfastError, type IdPrefix, isId } from '../kernel/index.ts';

/** A page of a list, and the cursor of the next one. */
export interface Page<T> {
  readonly data: T[];
  readonly next_cursor: string | null;
}

export function cursorOf(id: string): string {
  return Buffer.from(id).toString('base64url');
}

/** The id that a cursor names; throws `invalid_request` for what is no cursor. */
export function cursorId(prefix: IdPrefix, cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined;
  const id = Buffer.from(cursor, 'base64url').toString('latin1');
  if (isId(prefix, id)) return id;
  throw badCursor();
}

/** The same for lists that are numbered. */
export function cursorNumber(cursor: string | undefined): number | undefined {
  if (cursor === undefined) return undefined;
  const text = Buffer.from(cursor, 'base64url').toString('latin1');
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw badCursor();
}

function badCursor(): HoldfastError {
  return new HoldfastError('invalid_request', 'The cursor is not one of ours.', {
    field: 'cursor',
  });
}

/** Of one row more than asked for, the page. */
export function pageOf<R extends { id: string }, T>(
  rows: readonly R[],
  limit: number,
  present: (row: R) => T,
): Page<T> {
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? shown.at(-1) : undefined;
  return { data: shown.map(present), next_cursor: last === undefined ? null : cursorOf(last.id) };
}

import { z } from 'zod';

/** The page limits of every native list. */
export const LIST_LIMIT_DEFAULT = 50;
export const LIST_LIMIT_MAX = 200;

export const listQuery = z.object({
  limit: z.coerce.number().int().min(1).max(LIST_LIMIT_MAX).default(LIST_LIMIT_DEFAULT),
  cursor: z.string().max(512).optional().describe('`next_cursor` of the page before.'),
});

/** Every native list: newest first unless its route states another order. */
export function page<T extends z.ZodType>(item: T) {
  return z.object({ data: z.array(item), next_cursor: z.string().nullable() });
}

/** RFC 3339 in UTC with milliseconds. */
export const timestamp = z.iso.datetime({ offset: true });

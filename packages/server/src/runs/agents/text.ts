import { boundedText } from '../../work/index.ts';

/** Values from an agent, cut to what one event of the log may hold. */
export type Json = Record<string, unknown>;

const WORD_MAX_CHARS = 200;
export const PLAN_ITEMS_MAX = 50;
const PLAN_ITEM_MAX_CHARS = 300;

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** Public fields go into `jsonb`, which takes neither NUL nor half of a surrogate pair. */
export const word = (value: unknown): string =>
  typeof value === 'string'
    ? value.slice(0, WORD_MAX_CHARS).toWellFormed().replaceAll('\0', '')
    : '';

export const wordOrNull = (value: unknown): string | null =>
  typeof value === 'string' && value !== '' ? word(value) : null;

/**
 * Whether an agent may resume by this id: it becomes an argument and must not look like an option.
 */
export const isSessionId = (value: unknown): value is string =>
  typeof value === 'string' && /^[A-Za-z0-9][\w.:-]{0,199}$/.test(value);

export const integer = (value: unknown): number | null =>
  typeof value === 'number' && Number.isSafeInteger(value) ? value : null;

/** A tool's arguments as text: a string as it is, anything else as JSON. */
export function shown(value: unknown): string {
  if (value === undefined) return '';
  return boundedText(typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));
}

export interface PlanItem {
  readonly text: string;
  readonly status: 'pending' | 'active' | 'done';
}

/** The status of a step, from the words that most agents share. */
export function planStatus(status: unknown): PlanItem['status'] {
  if (status === 'completed') return 'done';
  return status === 'in_progress' ? 'active' : 'pending';
}

/** Items as an agent lists them, bounded; `read` returns null for an entry that is no item. */
export function planItems(
  value: unknown,
  read: (item: Json) => { text: unknown; status: PlanItem['status'] } | null,
): PlanItem[] {
  const items: PlanItem[] = [];
  for (const entry of list(value).slice(0, PLAN_ITEMS_MAX)) {
    const item = isObject(entry) ? read(entry) : null;
    if (item === null || typeof item.text !== 'string') continue;
    items.push({ text: item.text.slice(0, PLAN_ITEM_MAX_CHARS), status: item.status });
  }
  return items;
}

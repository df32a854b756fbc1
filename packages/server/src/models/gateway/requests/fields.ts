import { z } from 'zod';

/**
 * Kinds of fields in requests. All are optional, because the provider is the judge of what must be
 * there, and may be null, which is how many clients leave a field out.
 */
export const text = z.string().nullish();
export const flag = z.boolean().nullish();
export const amount = z.number().nullish();
/** Data that no provider interprets, such as a tool's schema, input and output. */
export const json = z.unknown().optional();

/**
 * A JSON Schema. Of what it refers to, a server could fetch all that is not a part of itself:
 * addresses, and names that a base address completes.
 */
export const schema = z
  .unknown()
  .superRefine((value, context) => {
    const path = foreignReference(value);
    const message = 'a schema may refer to its own parts only, which begin with #';
    if (path !== undefined) context.addIssue({ code: 'custom', message, path });
  })
  .optional();

const REFERENCES = ['$ref', '$dynamicRef', '$recursiveRef'];

function foreignReference(value: unknown): PropertyKey[] | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, one] of Object.entries(value)) {
    const isForeign = typeof one === 'string' && !one.startsWith('#') && REFERENCES.includes(key);
    const below = isForeign ? [] : foreignReference(one);
    if (below !== undefined) return [Array.isArray(value) ? Number(key) : key, ...below];
  }
  return undefined;
}

/** Also broken into lines. */
export const BASE64 = /^[A-Za-z0-9+/_\r\n-]*={0,2}[\r\n]*$/;
/** What some would fetch is no base64. */
export const base64 = z.string().regex(BASE64, 'must be base64');

export const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

/** More tokens than any model writes. */
const TOKENS_MAX = 10_000_000;
/** A number of tokens: whole, so that what is reserved is what the provider reads. */
export const tokens = z.int().min(0).max(TOKENS_MAX).nullish();

/** Answers to one call. */
const ANSWERS_MAX = 128;
export const answers = z.int().min(1).max(ANSWERS_MAX).nullish();

/** A list. Only the first of its wrong elements is reported, however many there are. */
export function list<T>(item: z.ZodType<T>) {
  return z
    .unknown()
    .transform((value, context) => elements(item, value, context))
    .optional();
}

/** A string, or a list of parts. */
export function textOrList<T>(item: z.ZodType<T>) {
  return z
    .unknown()
    .transform((value, context) =>
      typeof value === 'string' ? value : elements(item, value, context),
    )
    .optional();
}

function elements<T>(item: z.ZodType<T>, value: unknown, context: z.RefinementCtx) {
  if (value === undefined || value === null) return value;
  if (!Array.isArray(value)) {
    context.addIssue({ code: 'custom', message: 'must be a list' });
    return z.NEVER;
  }
  const read: T[] = [];
  for (const [index, element] of value.entries()) {
    const { success, data, error } = item.safeParse(element);
    if (!success) {
      const { path, ...issue } = error.issues[0]!;
      context.issues.push({ ...issue, input: element, path: [index, ...path] } as never);
      return z.NEVER;
    }
    read.push(data);
  }
  return read;
}

/** A tool or item of the provider's own: `Findings` has it allowed by name, or refused. */
export function hosted<const T extends string>(types: Readonly<Record<T, unknown>>) {
  return open({ type: z.enum(Object.keys(types) as [T, ...T[]]) });
}

/**
 * With further keys of any name. Two that differ in case or punctuation only are refused: a
 * provider that takes them for one could read another type than the one that was allowed.
 */
export function open<S extends z.ZodRawShape>(shape: S) {
  return z.looseObject(shape).refine(hasNoTwins, 'has keys that differ in case only');
}

function hasNoTwins(value: object): boolean {
  const keys = Object.keys(value).map(key => key.toLowerCase().replaceAll(/[^a-z0-9]/g, ''));
  return new Set(keys).size === keys.length;
}

import { HoldfastError } from '../kernel/index.ts';

/** Schemas of tools' parameters nest deepest; no legitimate one comes near this depth. */
export const JSON_DEPTH_MAX = 100;

/**
 * Throws for JSON nested deeper than `JSON_DEPTH_MAX`. Parsing accepts any depth, but later steps
 * (checks, copies, writing it as JSON again) recurse and would overflow the stack.
 */
export function assertShallow(value: unknown, field?: string): void {
  let level = [value].filter(isObject);
  for (let depth = 0; level.length > 0; depth++) {
    if (depth === JSON_DEPTH_MAX) {
      const what = field ?? 'The body';
      throw new HoldfastError('invalid_request', `${what} is nested too deeply.`, {
        ...(field !== undefined && { field }),
      });
    }
    level = level.flatMap(one => Object.values(one)).filter(isObject);
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

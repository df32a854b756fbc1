import { HoldfastError, JSON_LIMITS } from '../kernel/index.ts';

/**
 * Throws for a value nested deeper than `JSON_LIMITS` allow: for small JSON that a library has
 * parsed. Later steps (checks, copies, writing it as JSON again) recurse and would overflow the
 * stack.
 */
export function assertShallow(value: unknown, field?: string): void {
  let level = [value].filter(isObject);
  for (let depth = 0; level.length > 0; depth++) {
    if (depth === JSON_LIMITS.maxDepth) {
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

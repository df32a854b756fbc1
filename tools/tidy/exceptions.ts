import type { Exception } from './fault.ts';

/** Keep this list short: every entry needs a reason that a reader would accept. */
export const EXCEPTIONS: readonly Exception[] = [];

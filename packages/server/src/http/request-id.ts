import type { IncomingMessage } from 'node:http';
import { newId } from '../kernel/index.ts';

const WELL_FORMED = /^[A-Za-z0-9._-]{1,64}$/;

/** The caller's `x-request-id` when it is well formed, so that logs correlate; else a new one. */
export function requestIdOf(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && WELL_FORMED.test(given) ? given : newId('req');
}

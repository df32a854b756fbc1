import type { SessionState } from '@holdfast/protocol';

/**
 * The states of a session, in the order of a life. Written out here because importing the schemas
 * would carry the whole validator into the page; a test holds the two lists together.
 */
export const STATES = [
  'created',
  'connected',
  'disconnected',
  'ended',
  'expired',
  'failed',
] as const satisfies readonly SessionState[];

const FINAL: ReadonlySet<SessionState> = new Set<SessionState>(['ended', 'expired', 'failed']);

export function isFinal(state: SessionState): boolean {
  return FINAL.has(state);
}

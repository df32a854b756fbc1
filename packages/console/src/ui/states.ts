import type { SessionState } from '@holdfast/protocol';

/**
 * The states of a session, in the order in which they occur. Listed here because importing the
 * schemas would add the whole validator to the page; a test compares the two lists.
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

import { SESSION_STATES, type SessionState } from '@holdfast/protocol';
import { describe, expect, it } from 'vitest';
import { isFinal, judgeEnd, nextState, type RelayEnd, type SessionInput } from './session.ts';

const INPUTS: SessionInput[] = [
  { type: 'connect' },
  { type: 'lose', reason: 'client_lost' },
  { type: 'end', reason: 'client_closed' },
  { type: 'expire', reason: 'session_expired' },
  { type: 'fail', reason: 'upstream_error' },
];

describe('the life of a session', () => {
  /** Rows: from; columns: connect, lose, end, expire, fail. */
  const TABLE: Record<SessionState, (SessionState | null)[]> = {
    created: ['connected', null, 'ended', 'expired', 'failed'],
    connected: [null, 'disconnected', 'ended', 'expired', null],
    disconnected: ['connected', null, 'ended', 'expired', null],
    ended: [null, null, null, null, null],
    expired: [null, null, null, null, null],
    failed: [null, null, null, null, null],
  };

  it.each(SESSION_STATES)('goes on from %s as drawn', from => {
    expect(INPUTS.map(input => nextState(from, input))).toEqual(TABLE[from]);
  });

  it('has three final states', () => {
    expect(SESSION_STATES.filter(isFinal)).toEqual(['ended', 'expired', 'failed']);
  });
});

describe('what a close means', () => {
  const end = (change: Partial<RelayEnd>): SessionInput =>
    judgeEnd({
      initiator: 'client',
      cause: 'close',
      clientCode: 1000,
      upstreamCode: 1000,
      reason: '',
      upstreamExpired: false,
      ...change,
    });

  it.each([1000, 1001, 1005, 3000, 4000, 4999])(
    "takes the client's %d for a farewell",
    clientCode => {
      expect(end({ clientCode })).toEqual({ type: 'end', reason: 'client_closed' });
    },
  );

  it.each([
    ['another code', { clientCode: 1011 }, 'client_lost'],
    ['the code of who comes back', { clientCode: 4002 }, 'client_lost'],
    ['a private code on a lost socket', { cause: 'lost', clientCode: 4000 }, 'client_lost'],
    ['a going away without a close frame', { cause: 'lost', clientCode: 1006 }, 'client_lost'],
    ['a lost socket whatever the code says', { cause: 'lost', clientCode: 1000 }, 'client_lost'],
    ['silence', { cause: 'silent', clientCode: 1006 }, 'client_lost'],
    ['a stalled reader', { cause: 'stalled', clientCode: 1013 }, 'client_stalled'],
    ['a broken rule', { cause: 'violation', clientCode: 1002 }, 'client_protocol_error'],
  ])('takes %s for a loss', (_, change, reason) => {
    expect(end(change)).toEqual({ type: 'lose', reason });
  });

  it.each([
    ['its error event', { upstreamExpired: true, upstreamCode: 1001 }],
    ['its error event and a lost socket', { upstreamExpired: true, cause: 'lost' }],
    ['the words of its close', { upstreamCode: 1001, reason: 'session_expired' }],
    ['the words of a private close', { upstreamCode: 3000, reason: 'x.session_expired' }],
    [
      'other words of its close',
      { upstreamCode: 1001, reason: 'Your session hit the maximum duration of 60 minutes.' },
    ],
  ])("knows the upstream's expiry by %s", (_, change) => {
    const expired = { initiator: 'upstream' as const, upstreamCode: 1001, ...change };
    expect(end(expired)).toEqual({ type: 'expire', reason: 'upstream_expired' });
  });

  it.each([
    ['1011', { upstreamCode: 1011 }],
    ['1001 about something else', { upstreamCode: 1001, reason: 'restarting' }],
    ['a vanished socket', { cause: 'lost', upstreamCode: 1006 }],
  ])("takes the upstream's %s for a loss", (_, change) => {
    const lost = { initiator: 'upstream' as const, ...change };
    expect(end(lost)).toEqual({ type: 'lose', reason: 'upstream_lost' });
  });

  it.each([1008, 3000, 4000, 4999])("takes the upstream's %d for a refusal", upstreamCode => {
    const refused = { initiator: 'upstream' as const, upstreamCode };
    expect(end(refused)).toEqual({ type: 'end', reason: 'upstream_refused' });
  });

  it("takes the upstream's 1000 for an end", () => {
    expect(end({ initiator: 'upstream' })).toEqual({ type: 'end', reason: 'upstream_closed' });
  });
});

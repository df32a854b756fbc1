import { type App, createSession } from '../app.ts';
import type { Behaviour } from '../behaviour.ts';
import { befallSession, type FaultRule } from '../faults/rules.ts';
import { HttpError } from '../http/respond.ts';
import type { RequestInfo } from '../inspect/record.ts';
import { MAX_OPEN_CALLS } from '../limits.ts';
import type { SessionRequest } from '../session/config.ts';
import type { Call } from './call.ts';

export interface NewCall {
  offerSdp: string;
  rules: FaultRule[];
  model: string | undefined;
  requests: (SessionRequest | undefined)[];
  request: RequestInfo;
  behaviour: Behaviour;
}

/**
 * Makes a call from an offer. Throws `HttpError` when there is no room or the offer cannot be
 * answered.
 *
 * The WebRTC stack takes longer to load than everything else together, so the first call loads it,
 * or the process once it listens, and never before.
 */
export async function openCall(
  app: App,
  { offerSdp, rules, ...session }: NewCall,
): Promise<{ call: Call; answerSdp: string }> {
  const { Call } = await import('./call.ts');
  // Checked after the only wait, so that two callers cannot both be the last.
  if (app.calls.count >= MAX_OPEN_CALLS) throw new HttpError(429, 'Too many calls are open.');
  const call = new Call({
    id: app.random.id('rtc'),
    clock: app.clock,
    openSession: (opening, media) =>
      createSession(app, {
        ...session,
        transport: 'webrtc',
        callId: opening.id,
        media,
        disconnect: (code, reason) => opening.end(reason, code),
      }),
    onEnd: (ended, reason) => {
      const { record } = ended.session;
      app.calls.remove(ended);
      const by = /closed|lost|failed/.test(reason) ? 'client' : 'server';
      record.end({ by, code: null, reason }, app.clock.nowMs());
      app.registry.ended(record);
    },
  });
  app.calls.add(call);
  app.registry.connect(call.session.record, call);
  try {
    const answerSdp = await call.negotiate(offerSdp);
    befallSession(rules, call);
    return { call, answerSdp };
  } catch {
    call.end('invalid offer');
    throw new HttpError(400, 'The SDP offer is not valid.', { code: 'invalid_offer' });
  }
}

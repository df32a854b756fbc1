import { createHmac, randomUUID } from 'node:crypto';
import { type App, createSession } from '../app.ts';
import type { RequestInfo } from '../inspect/record.ts';
import type { SessionRequest } from '../session/config.ts';
import type { MediaOutput } from '../session/host.ts';
import type { RealtimeSession } from '../session/session.ts';
import type { LiveCall } from '../webrtc/calls.ts';
import type { WebSocketConnection } from '../websocket/connection.ts';

const NORMAL_CLOSURE = 1000;
const WEBHOOK_TIMEOUT_MS = 10_000;

/** An accepted call: its session, and who listens to it. */
class SipCall implements LiveCall {
  readonly id: string;
  readonly session: RealtimeSession;
  readonly sidebands = new Set<WebSocketConnection>();
  readonly #onEnd: (reason: string) => void;
  #ended = false;

  constructor(id: string, session: RealtimeSession, onEnd: (reason: string) => void) {
    this.id = id;
    this.session = session;
    this.#onEnd = onEnd;
  }

  end(reason: string, code = NORMAL_CLOSURE): void {
    if (this.#ended) return;
    this.#ended = true;
    this.session.close();
    for (const sideband of this.sidebands) sideband.close(code, reason);
    this.#onEnd(reason);
  }
}

const NOBODY_LISTENS: MediaOutput = { play() {}, finish() {}, clear: () => undefined };

/** Throws `HttpError` where the call does not ring or the configuration is wrong. */
export function acceptCall(
  app: App,
  call: { id: string; session: SessionRequest; request: RequestInfo },
): void {
  const { id } = call;
  app.sipCalls.requireRinging(id);
  let made: SipCall | undefined;
  const session = createSession(app, {
    transport: 'sip',
    model: undefined,
    requests: [call.session],
    request: call.request,
    behaviour: app.behaviour,
    callId: id,
    media: NOBODY_LISTENS,
    disconnect: (code, reason) => made?.end(reason, code),
  });
  made = new SipCall(id, session, reason => {
    app.calls.remove(made!);
    if (app.sipCalls.view(id)?.state === 'open') app.sipCalls.set(id, { state: 'ended', reason });
    session.record.end({ by: 'server', code: null, reason }, app.clock.nowMs());
    app.registry.ended(session.record);
  });
  app.calls.add(made);
  app.sipCalls.set(id, { state: 'open' });
  session.open();
}

/** Announces a call; answers the status of the receiver, or null where it cannot be reached. */
export async function announce(
  app: App,
  call: { id: string; url: string; secret: string },
): Promise<number | null> {
  const event = {
    object: 'event',
    id: app.random.id('evt'),
    type: 'realtime.call.incoming',
    created_at: Math.floor(app.clock.nowMs() / 1000),
    data: {
      call_id: call.id,
      sip_headers: [
        { name: 'From', value: 'sip:+15550100@simulated.example' },
        { name: 'To', value: 'sip:+15550199@simulated.example' },
      ],
    },
  };
  const body = JSON.stringify(event);
  const signal = AbortSignal.timeout(WEBHOOK_TIMEOUT_MS);
  const headers = { 'content-type': 'application/json', ...signed(body, call.secret) };
  try {
    const response = await fetch(call.url, { method: 'POST', headers, body, signal });
    await response.body?.cancel();
    return response.status;
  } catch {
    return null;
  }
}

/** The headers of a signed webhook. Source: standardwebhooks.com. */
function signed(body: string, secret: string): Record<string, string> {
  const id = `wh_${randomUUID()}`;
  const timestamp = String(Math.floor(Date.now() / 1000));
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : secret;
  const mac = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${mac}`,
  };
}

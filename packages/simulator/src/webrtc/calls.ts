/**
 * The open calls by their id (`rtc_…`): making them from an offer, finding them, ending them all.
 *
 * The WebRTC stack takes longer to load than everything else together, so it is loaded by the first
 * call, or by the process when it is up, and never before it listens.
 */
import { type App, createSession } from '../app.ts';
import { befallSession, type FaultRule } from '../faults/rules.ts';
import { HttpError } from '../http/respond.ts';
import type { RequestInfo } from '../inspect/record.ts';
import { MAX_OPEN_CALLS } from '../limits.ts';
import type { SessionRequest } from '../session/config.ts';
import type { Behaviour } from '../settings.ts';
import type { Call, CallOptions } from './call.ts';

export interface NewCall {
  offerSdp: string;
  rules: FaultRule[];
  model: string | undefined;
  requests: (SessionRequest | undefined)[];
  request: RequestInfo;
  behaviour: Behaviour;
}

export class Calls {
  readonly #calls = new Map<string, Call>();

  find(id: string): Call | undefined {
    return this.#calls.get(id);
  }

  /** Throws `HttpError` when there is no room or the offer cannot be answered. */
  async create(app: App, options: NewCall): Promise<{ call: Call; answerSdp: string }> {
    const { Call } = await import('./call.ts');
    // Checked after the only wait, so that two callers cannot both be the last.
    if (this.#calls.size >= MAX_OPEN_CALLS) throw new HttpError(429, 'Too many calls are open.');
    const call = new Call(this.#optionsFor(app, options));
    this.#calls.set(call.id, call);
    app.registry.connect(call.session.record, call);
    try {
      const answerSdp = await call.negotiate(options.offerSdp);
      befallSession(options.rules, call);
      return { call, answerSdp };
    } catch {
      call.end('invalid offer');
      throw new HttpError(400, 'The SDP offer is not valid.', { code: 'invalid_offer' });
    }
  }

  #optionsFor(app: App, options: NewCall): CallOptions {
    const { model, requests, request, behaviour } = options;
    return {
      id: app.random.id('rtc'),
      clock: app.clock,
      openSession: (call, media) =>
        createSession(app, {
          transport: 'webrtc',
          model,
          requests,
          request,
          behaviour,
          callId: call.id,
          media,
          disconnect: (code, reason) => call.end(reason, code),
        }),
      onEnd: (call, reason) => {
        const { record } = call.session;
        this.#calls.delete(call.id);
        const by = /closed|lost|failed/.test(reason) ? 'client' : 'server';
        record.end({ by, code: null, reason }, app.clock.nowMs());
        app.registry.ended(record);
      },
    };
  }

  /** Ends all calls. */
  close(): void {
    for (const call of [...this.#calls.values()]) call.end('shutdown');
  }
}

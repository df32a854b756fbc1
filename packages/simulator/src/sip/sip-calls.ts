/**
 * Calls that come by telephone: rung through the inspection route, announced to a webhook as the
 * provider does, and then accepted, rejected, referred or hung up by their id. No sound comes from
 * a line here: what the model says is played to nobody.
 *
 *   ringing ──accept──▶ open ──hang up, refer, expiry──▶ ended
 *      └──reject──▶ ended
 *
 * Source: openai-openapi `/realtime/calls/{call_id}/*`, `RealtimeCallIncomingWebhookEvent`.
 */
import { HttpError } from '../http/respond.ts';
import { MAX_OPEN_CALLS } from '../limits.ts';

type State =
  | { state: 'ringing' }
  | { state: 'open' }
  | { state: 'rejected'; status_code: number }
  | { state: 'referred'; target_uri: string }
  | { state: 'ended'; reason: string };

/** The calls that were rung, by their id. */
export class SipCalls {
  readonly #states = new Map<string, State>();

  ring(id: string): void {
    this.#states.set(id, { state: 'ringing' });
    for (const oldest of this.#states.keys()) {
      if (this.#states.size <= MAX_OPEN_CALLS) break;
      this.#states.delete(oldest);
    }
  }

  view(id: string): State | undefined {
    return this.#states.get(id);
  }

  /** Throws 404 unless the call rings. */
  requireRinging(id: string): void {
    if (this.#states.get(id)?.state === 'ringing') return;
    throw new HttpError(404, `No session found for call ${id.slice(0, 100)}.`, {
      code: 'call_id_not_found',
    });
  }

  set(id: string, state: State): void {
    this.#states.set(id, state);
  }
}

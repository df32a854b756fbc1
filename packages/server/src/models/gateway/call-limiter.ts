import { HoldfastError } from '../../kernel/index.ts';
import type { GatewayLimits } from './limits.ts';

const RETRY_AFTER_S = 5;

/** Bounds concurrent calls, because each holds its body and an upstream connection. */
export class CallLimiter {
  readonly #limits: Pick<GatewayLimits, 'maxCalls' | 'maxCallsPerCaller'>;
  readonly #byCaller = new Map<string, number>();
  #calls = 0;

  constructor(limits: Pick<GatewayLimits, 'maxCalls' | 'maxCallsPerCaller'>) {
    this.#limits = limits;
  }

  /** Throws when there is no room; the result is to be called once, when the call is over. */
  enter(caller: string): () => void {
    const own = this.#byCaller.get(caller) ?? 0;
    const retry = { retryAfterS: RETRY_AFTER_S };
    if (own >= this.#limits.maxCallsPerCaller) {
      throw new HoldfastError('rate_limited', 'Too many calls at once.', retry);
    }
    if (this.#calls >= this.#limits.maxCalls) {
      throw new HoldfastError('unavailable', 'The model gateway is busy.', retry);
    }
    this.#calls += 1;
    this.#byCaller.set(caller, own + 1);
    return () => {
      this.#calls -= 1;
      const left = (this.#byCaller.get(caller) ?? 1) - 1;
      if (left > 0) this.#byCaller.set(caller, left);
      else this.#byCaller.delete(caller);
    };
  }
}

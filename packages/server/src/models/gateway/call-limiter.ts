import { HoldfastError } from '../../kernel/index.ts';
import type { GatewayLimits } from './limits.ts';

const RETRY_AFTER_S = 5;

type CallLimits = Pick<
  GatewayLimits,
  'maxCalls' | 'maxCallsPerCaller' | 'maxHeldBytes' | 'maxHeldBytesPerCaller'
>;

/** A call among others. */
export interface CallPlace {
  /** Counts bytes of its body, until it leaves. Throws when there is no room for them. */
  hold(sizeBytes: number): void;
  /** Counts nothing of its body any more: what was there of it is gone. */
  drop(): void;
  /** To be called once, when the call is over. */
  leave(): void;
}

interface Use {
  calls: number;
  heldBytes: number;
}

/** Bounds concurrent calls and their bodies, because each holds its body to its end. */
export class CallLimiter {
  readonly #limits: CallLimits;
  readonly #byCaller = new Map<string, Use>();
  readonly #all: Use = { calls: 0, heldBytes: 0 };

  constructor(limits: CallLimits) {
    this.#limits = limits;
  }

  /** Throws when there is no room. */
  enter(caller: string): CallPlace {
    const { maxCalls, maxCallsPerCaller, maxHeldBytes, maxHeldBytesPerCaller } = this.#limits;
    const all = this.#all;
    const own = this.#byCaller.get(caller) ?? { calls: 0, heldBytes: 0 };
    if (own.calls >= maxCallsPerCaller) throw tooMuch('Too many calls at once.');
    if (all.calls >= maxCalls) throw busy();
    this.#byCaller.set(caller, own);
    let held = 0;
    for (const use of [own, all]) use.calls += 1;
    const drop = () => {
      for (const use of [own, all]) use.heldBytes -= held;
      held = 0;
    };
    return {
      hold: sizeBytes => {
        if (own.heldBytes + sizeBytes > maxHeldBytesPerCaller) {
          throw tooMuch(`The bodies of calls at once may have ${maxHeldBytesPerCaller} bytes.`);
        }
        if (all.heldBytes + sizeBytes > maxHeldBytes) throw busy();
        held += sizeBytes;
        for (const use of [own, all]) use.heldBytes += sizeBytes;
      },
      drop,
      leave: () => {
        drop();
        for (const use of [own, all]) use.calls -= 1;
        if (own.calls === 0) this.#byCaller.delete(caller);
      },
    };
  }
}

function tooMuch(text: string): HoldfastError {
  return new HoldfastError('rate_limited', text, { retryAfterS: RETRY_AFTER_S });
}

function busy(): HoldfastError {
  const text = 'The model gateway is busy.';
  return new HoldfastError('unavailable', text, { retryAfterS: RETRY_AFTER_S });
}

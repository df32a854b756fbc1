/**
 * The responses that a client has asked for and that the provider has neither begun nor refused.
 * Each needs a reservation of its own, which is made when it begins, so beside one that has its
 * reservation a client may ask for one more, and is held then until the provider has answered.
 */
const ASKED_MAX = 64;
/** A provider that has not answered until then does not. */
export const ANSWER_WAIT_MS = 2_000;
/** The refusal that stock clients see in normal use; it may come without their event's id. */
const ACTIVE = 'conversation_already_has_active_response';

interface Asked {
  readonly eventId: unknown;
  readonly atMs: number;
}

export class AskedResponses {
  #asked: Asked[] = [];
  #onNone: (() => void) | undefined;

  add(eventId: unknown): void {
    const nowMs = performance.now();
    this.#asked = this.#asked.filter(({ atMs }) => nowMs - atMs < ANSWER_WAIT_MS);
    if (this.#asked.length < ASKED_MAX) this.#asked.push({ eventId, atMs: nowMs });
  }

  get size(): number {
    return this.#asked.length;
  }

  /** The provider has begun one: the oldest, for it takes events in order. */
  begun(): void {
    this.#remove(0);
  }

  refused(error: { readonly event_id?: unknown; readonly code?: unknown }): void {
    const { event_id, code } = error;
    if (typeof event_id !== 'string' && code !== ACTIVE) return;
    this.#remove(this.#asked.findIndex(({ eventId }) => (eventId ?? null) === (event_id ?? null)));
  }

  /** Resolves once all are answered, or will not be. */
  answered(): Promise<void> {
    return new Promise<void>(resolve => {
      const timer = setTimeout(() => this.#clear(), ANSWER_WAIT_MS);
      timer.unref();
      this.#onNone = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  get isAwaited(): boolean {
    return this.#onNone !== undefined;
  }

  #remove(index: number): void {
    if (index < 0) return;
    this.#asked.splice(index, 1);
    if (this.#asked.length === 0) this.#clear();
  }

  #clear(): void {
    this.#asked = [];
    const onNone = this.#onNone;
    this.#onNone = undefined;
    onNone?.();
  }
}

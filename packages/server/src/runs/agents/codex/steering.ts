import { randomUUID } from 'node:crypto';
import { isObject, type Json } from '../text.ts';

interface Expected {
  /** It stands in the thread; whether a model call follows is not known yet. */
  isAdded: boolean;
  resolve(steered: boolean): void;
}

/**
 * Whether the model was given a message that was steered into a turn. Codex answers `turn/steer`
 * when it has queued it; it adds it to the thread before the next model call, and drops it, or adds
 * it in vain, where the turn ends first. So it was steered when something follows it in the turn.
 */
export class Steering {
  readonly #expected = new Map<unknown, Expected>();

  /** `id` goes with the message. `steered` settles by the end of the turn or of the process. */
  expect(): { id: string; steered: Promise<boolean> } {
    const { promise: steered, resolve } = Promise.withResolvers<boolean>();
    const id = randomUUID();
    this.#expected.set(id, { isAdded: false, resolve });
    return { id, steered };
  }

  /** A notification of the own thread. */
  take(method: string, { item }: Json): void {
    if (method === 'turn/completed') this.giveUp();
    if (!/^item\/(started|completed)$/.test(method) || !isObject(item)) return;
    if (item.type === 'userMessage') {
      const one = this.#expected.get(item.clientId);
      if (one !== undefined) one.isAdded = true;
      return;
    }
    for (const [id, { isAdded }] of this.#expected) if (isAdded) this.settle(id, true);
  }

  settle(id: unknown, steered: boolean): void {
    this.#expected.get(id)?.resolve(steered);
    this.#expected.delete(id);
  }

  /** What has not been steered by now will not be. */
  giveUp(): void {
    for (const id of this.#expected.keys()) this.settle(id, false);
  }
}

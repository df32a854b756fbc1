import { randomUUID } from 'node:crypto';
import { isObject, type Json } from '../text.ts';

interface Expected {
  /** Codex has added it to the thread; a model call may or may not follow. */
  isAdded: boolean;
  resolve(steered: boolean): void;
}

/**
 * Tracks whether the model received a message that was steered into a turn. Codex answers
 * `turn/steer` when it has queued the message, and adds it to the thread before the next model
 * call. Where the turn ends first, Codex drops the message or adds it without effect. So a message
 * counts as steered when another item follows it in the turn.
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

  /** Settles every open message as not steered. */
  giveUp(): void {
    for (const id of this.#expected.keys()) this.settle(id, false);
  }
}

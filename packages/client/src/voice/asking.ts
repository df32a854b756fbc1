import { known, type ServerEvent } from './events.ts';

const ACTIVE = 'conversation_already_has_active_response';

/**
 * Asks the model for an answer (`response.create`). A model makes one answer at a time and refuses
 * a second, so a question that comes while one is made waits for its end; and where the model's own
 * answer to speech came first, the refusal is taken as "not yet" and no error.
 */
export class Asking {
  private readonly send: (event: object) => boolean;
  private readonly onAsked: () => void;
  private readonly active = new Set<string>();
  private waiting = false;

  constructor(send: (event: object) => boolean, onAsked: () => void) {
    this.send = send;
    this.onAsked = onAsked;
  }

  ask(): void {
    this.waiting = this.active.size > 0;
    if (this.waiting || !this.send({ type: 'response.create' })) return;
    this.onAsked();
  }

  apply(event: ServerEvent): void {
    const e = known(event);
    if (e.type === 'response.created') this.active.add(e.response?.id ?? '');
    else if (e.type === 'response.done') this.active.delete(e.response?.id ?? '');
    else if (isRefusedAsking(event)) this.waiting = true;
    if (this.waiting && e.type === 'response.done' && this.active.size === 0) this.ask();
  }
}

/** An `error` event that only reports that another answer came first. */
export function isRefusedAsking(event: ServerEvent): boolean {
  const e = known(event);
  return e.type === 'error' && e.error?.code === ACTIVE;
}

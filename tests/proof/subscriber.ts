/**
 * A plain reader of one run's stream: it resumes with `Last-Event-ID`, at the other API process
 * when one is away, and holds every event against 1, 2, 3…
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type EventEnvelope, isRunEnding } from '@holdfast/protocol';
import type { Observations } from './observations.ts';

const RETRY_MS = 300;
const FAULTS_MAX = 5;

export interface SubscriberOptions {
  readonly runId: string;
  /** The API processes' addresses, the preferred one first. */
  readonly urls: readonly string[];
  readonly observations: Observations;
  readonly signal: AbortSignal;
  /** Gets every event that came, in that order. */
  readonly ledger?: EventEnvelope[];
}

export interface Seen {
  readonly runId: string;
  readonly last: number;
  readonly ending: string | null;
  /** When the ending came, as a Unix time in milliseconds. */
  readonly endedAtMs: number;
  readonly connections: number;
  readonly faults: readonly string[];
}

export class Subscriber {
  readonly #options: SubscriberOptions;
  readonly #faults: string[] = [];
  #last = 0;
  #ending: string | null = null;
  #endedAtMs = 0;
  #connections = 0;

  constructor(options: SubscriberOptions) {
    this.#options = options;
  }

  get seen(): Seen {
    return {
      runId: this.#options.runId,
      last: this.#last,
      ending: this.#ending,
      endedAtMs: this.#endedAtMs,
      connections: this.#connections,
      faults: [...this.#faults],
    };
  }

  /** Until the terminal event, or until the signal. Never rejects. */
  async watch(): Promise<void> {
    const { signal } = this.#options;
    while (this.#ending === null && !signal.aborted) {
      await this.#connect().catch(() => undefined);
      if (this.#ending === null)
        await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #connect(): Promise<void> {
    const { runId, urls, signal } = this.#options;
    const url = urls[this.#connections % urls.length];
    this.#connections += 1;
    const headers: Record<string, string> =
      this.#last === 0 ? {} : { 'last-event-id': String(this.#last) };
    const response = await fetch(`${url}/v1/runs/${runId}/stream`, { headers, signal });
    if (response.status === 204) this.#fault('204 before the terminal event');
    else if (response.status === 200) return this.#read(response);
    else if (response.status < 500 && response.status !== 429) {
      this.#fault(`${response.status} ${(await response.text()).slice(0, 200)}`);
    }
    await response.body?.cancel();
  }

  async #read(response: Response): Promise<void> {
    let text = '';
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const blocks = text.split('\n\n');
      text = blocks.pop()!;
      for (const block of blocks) this.#take(block);
    }
  }

  #take(block: string): void {
    const data = /^data: (.*)$/m.exec(block)?.[1];
    if (data === undefined) return;
    const id = Number(/^id: (.*)$/m.exec(block)?.[1]);
    const event = JSON.parse(data) as EventEnvelope;
    const wanted = this.#last + 1;
    if (id !== wanted || event.seq !== wanted) {
      this.#fault(`after ${this.#last} came id ${id}, seq ${event.seq}`);
    }
    if (this.#ending !== null) this.#fault(`${event.type} after ${this.#ending}`);
    this.#last = event.seq;
    this.#options.ledger?.push(event);
    if (isRunEnding(event.type)) {
      this.#ending = event.type;
      this.#endedAtMs = Date.now();
    }
    this.#options.observations.tell(`event:${event.type}`);
  }

  #fault(what: string): void {
    if (this.#faults.length < FAULTS_MAX) this.#faults.push(what);
  }
}

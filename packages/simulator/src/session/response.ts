/**
 * One response: `in_progress` -> `completed` | `incomplete` (out of tokens) | `cancelled` |
 * `failed`.
 *
 * It owns its timer and nothing else. Generation is a generator that yields pauses; a reader that
 * cannot keep up stretches them. Cancelling closes whatever is open and then sends
 * `response.done`, so a client always sees every opening event answered.
 */
import type { FormatName } from '../audio/format.ts';
import type { Cancel } from '../clock.ts';
import { BACKLOG_POLL_MS } from '../limits.ts';
import { outputFormat, type SessionConfig, voiceName } from './config.ts';
import type { Run, SessionHost } from './host.ts';
import type { Item } from './items.ts';
import { itemFor, streamPart } from './output-item.ts';
import type { Reply } from './reply.ts';
import type { StatusDetails, WireResponse } from './server-events.ts';
import { type TokenCount, usageOf } from './usage.ts';

export interface ResponseOptions {
  /** The configuration with the response's own overrides. */
  config: SessionConfig;
  reply: Reply;
  inConversation: boolean;
  metadata: Record<string, string> | null;
  /** What the model reads for this response, and read for the one before. */
  input: TokenCount;
  inputBefore: TokenCount;
}

export class Response implements Run {
  readonly id: string;
  readonly inConversation: boolean;
  readonly #host: SessionHost;
  readonly #options: ResponseOptions;
  readonly #items: Item[] = [];
  readonly #spent = { text: 0, audio: 0 };
  readonly #budget: { left: number };
  readonly #steps: Generator<number, void>;
  #cancelTimer: Cancel = () => {};
  #over = false;

  constructor(host: SessionHost, options: ResponseOptions) {
    const limit = options.config.max_output_tokens;
    this.id = host.random.id('resp');
    this.inConversation = options.inConversation;
    this.#host = host;
    this.#options = options;
    this.#budget = { left: limit === 'inf' ? Number.POSITIVE_INFINITY : limit };
    this.#steps = this.#stream();
  }

  start(): void {
    this.#host.emit({ type: 'response.created', response: this.#wire('in_progress', null, null) });
    this.#advance();
  }

  cancel(reason: 'turn_detected' | 'client_cancelled'): void {
    if (this.#over) return;
    this.abandon();
    this.#steps.return();
    this.#finish('cancelled', { type: 'cancelled', reason });
  }

  abandon(): void {
    this.#over = true;
    this.#cancelTimer();
  }

  #advance(): void {
    if (this.#over) return;
    if (this.#host.backlogged) {
      this.#wait(BACKLOG_POLL_MS);
      return;
    }
    const step = this.#steps.next();
    if (step.done) this.#complete();
    else this.#wait(step.value);
  }

  #wait(ms: number): void {
    this.#cancelTimer = this.#host.clock.after(ms, () => this.#advance());
  }

  *#stream(): Generator<number, void> {
    yield this.#host.behaviour.responseDelayMs;
    const format: FormatName = outputFormat(this.#options.config);
    for (const [outputIndex, part] of this.#options.reply.parts.entries()) {
      const item = itemFor(this.#host, part);
      this.#items.push(item);
      const context = {
        host: this.#host,
        responseId: this.id,
        outputIndex,
        inConversation: this.inConversation,
        format,
        budget: this.#budget,
        spent: this.#spent,
      };
      yield* streamPart(context, part, item);
      if (this.#budget.left <= 0) return;
    }
  }

  #complete(): void {
    this.abandon();
    const { failure } = this.#options.reply;
    if (failure !== undefined) {
      this.#finish('failed', { type: 'failed', error: failure });
    } else if (this.#items.some(item => item.status === 'incomplete')) {
      this.#finish('incomplete', { type: 'incomplete', reason: 'max_output_tokens' });
    } else {
      this.#finish('completed', null);
    }
  }

  #finish(status: WireResponse['status'], details: StatusDetails | null): void {
    const { input, inputBefore, reply } = this.#options;
    const usage = reply.usage ?? usageOf(input, inputBefore, this.#spent);
    this.#host.media?.finish(this.id);
    this.#host.emit({ type: 'response.done', response: this.#wire(status, details, usage) });
    this.#host.runEnded(this);
  }

  #wire(
    status: WireResponse['status'],
    details: StatusDetails | null,
    usage: WireResponse['usage'],
  ): WireResponse {
    const { config, metadata } = this.#options;
    const { format, voice } = config.audio.output;
    return {
      object: 'realtime.response',
      id: this.id,
      status,
      status_details: details,
      output: this.#items,
      conversation_id: this.inConversation ? this.#host.conversation.id : null,
      output_modalities: config.output_modalities,
      max_output_tokens: config.max_output_tokens,
      audio: { output: { format, voice: voiceName(voice) } },
      usage,
      metadata,
    };
  }
}

/**
 * A session's responses: at most one in the conversation, a few out of band, and one that waits
 * because turn detection asked for it while another was running.
 */
import type { ScriptTurn } from '../script.ts';
import type { NewItem, ResponseParams } from './client-events.ts';
import { applyRequest, parseSessionRequest, type SessionConfig } from './config.ts';
import { ProtocolError } from './errors.ts';
import { takeItem } from './given-item.ts';
import type { Run, SessionHost } from './host.ts';
import type { Item } from './items.ts';
import { RateLimits } from './rate-limits.ts';
import { isFollowUp, planReply, type Reply } from './reply.ts';
import { Response } from './response.ts';
import type { Turns } from './turns.ts';
import { contextTokens, type TokenCount } from './usage.ts';

const MAX_OUT_OF_BAND = 16;

interface ResponseHost extends SessionHost {
  readonly turns: Turns;
}

export class Responses {
  readonly #session: ResponseHost;
  readonly #limits = new RateLimits();
  readonly #outOfBand = new Set<Run>();
  #active: Run | undefined;
  #waiting = false;
  #turn = 0;
  #inputBefore: TokenCount = { text: 0, audio: 0, image: 0 };
  #startedMs = 0;

  constructor(session: ResponseHost) {
    this.#session = session;
  }

  /** The script's entry for the coming turn. */
  get nextTurn(): ScriptTurn | undefined {
    return this.#session.behaviour.script[this.#turn];
  }

  /** `response.create`. */
  create(params: ResponseParams): void {
    const inConversation = params.conversation !== 'none';
    if (inConversation && this.#active !== undefined) {
      throw new ProtocolError(
        'conversation_already_has_active_response',
        `Conversation already has an active response in progress: ${this.#active.id}. ` +
          'Wait until the response is finished before creating a new one.',
      );
    }
    if (this.#outOfBand.size >= MAX_OUT_OF_BAND) {
      throw new ProtocolError('too_many_responses', 'Too many responses are in progress.');
    }
    this.#start(params, inConversation);
  }

  /** `response.cancel`. */
  cancel(responseId: string | undefined): void {
    const run = responseId === undefined ? this.#active : this.#find(responseId);
    if (run === undefined) {
      const message = 'Cancellation failed: no active response found';
      throw new ProtocolError('response_cancel_not_active', message);
    }
    run.cancel('client_cancelled');
  }

  #find(responseId: string): Run | undefined {
    if (this.#active?.id === responseId) return this.#active;
    return [...this.#outOfBand].find(run => run.id === responseId);
  }

  /** Turn detection wants an answer. */
  respond(): void {
    if (this.#active === undefined) this.#start({}, true);
    else this.#waiting = true;
  }

  /** The user speaks. */
  interrupt(): void {
    this.#waiting = false;
    this.#active?.cancel('turn_detected');
  }

  /** Load mode: the stream starts with the first audio and then runs until cancelled. */
  startLoad(): void {
    if (this.#turn === 0 && this.#active === undefined) this.#start({}, true);
  }

  ended(run: Run): void {
    this.#outOfBand.delete(run);
    if (run !== this.#active) return;
    this.#active = undefined;
    if (this.#waiting) {
      this.#waiting = false;
      this.#start({}, true);
      return;
    }
    const { conversation, clock, turns } = this.#session;
    const spokenMs = conversation.spokenMsOf(conversation.lastId ?? '');
    turns.modelFinished(Math.max(0, spokenMs - (clock.nowMs() - this.#startedMs)));
  }

  close(): void {
    this.#active?.abandon();
    for (const run of this.#outOfBand) run.abandon();
    this.#outOfBand.clear();
  }

  #start(params: ResponseParams, inConversation: boolean): void {
    const session = this.#session;
    const config = overridden(session, params);
    const items = this.#itemsFor(params);
    const input = contextTokens(config, session.conversation);
    const response = new Response(session, {
      config,
      reply: this.#plan(config, items),
      inConversation,
      metadata: params.metadata ?? null,
      input,
      inputBefore: this.#inputBefore,
    });
    this.#inputBefore = input;
    this.#limits.take(input.text + input.audio + input.image, session.clock.nowMs());
    if (inConversation) {
      this.#active = response;
      this.#startedMs = session.clock.nowMs();
      session.turns.modelStarted();
    } else this.#outOfBand.add(response);
    response.start();
    session.emit(this.#limits.event(session.clock.nowMs()));
  }

  #plan(config: SessionConfig, items: readonly Item[]): Reply {
    const { behaviour, conversation, media, random } = this.#session;
    const turn = isFollowUp(items) ? undefined : this.nextTurn;
    if (!isFollowUp(items)) this.#turn += 1;
    if (behaviour.mode === 'load' && media === undefined) return { parts: [{ kind: 'load' }] };
    return planReply({ config, items, conversation, turn, random });
  }

  /** A response's own `input` replaces the conversation; references point into it. */
  #itemsFor(params: ResponseParams): readonly Item[] {
    const { conversation } = this.#session;
    if (!params.input) return conversation.items;
    return params.input.map(given => {
      if (given.type !== 'item_reference') return takeItem(this.#session, given as NewItem);
      const item = conversation.find(given.id);
      if (item !== undefined) return item;
      const message = `The referenced item '${given.id}' does not exist.`;
      throw new ProtocolError('invalid_value', message, 'response.input');
    });
  }
}

/** The session's configuration with a response's own fields on top. */
function overridden(session: ResponseHost, params: ResponseParams): SessionConfig {
  const { instructions, tools, tool_choice, output_modalities, max_output_tokens } = params;
  const given = {
    type: 'realtime',
    instructions,
    tools,
    tool_choice,
    output_modalities,
    max_output_tokens,
    audio: params.audio,
  };
  const fields = Object.entries(given).filter(([, value]) => value !== undefined && value !== null);
  const request = parseSessionRequest(Object.fromEntries(fields), 'response');
  return applyRequest(session.config, request, session.conversation.hasSpoken);
}

import type { AgentContext } from '../agent.ts';
import type { Conversation, Interpretation } from '../conversation.ts';
import { agentOutput, agentSession, failed } from '../events.ts';
import { isObject, type Json } from '../text.ts';
import { CodexEvents } from './events.ts';
import { Rpc, RpcError } from './rpc.ts';
import { Steering } from './steering.ts';

/**
 * Notifications left out: parts of items that come whole later, and a turn's diff after each
 * change.
 */
const OPTED_OUT = [
  'turn/diff/updated',
  'item/agentMessage/delta',
  'item/plan/delta',
  'item/commandExecution/outputDelta',
  'item/fileChange/outputDelta',
  'item/fileChange/patchUpdated',
  'item/reasoning/textDelta',
  'item/reasoning/summaryTextDelta',
];
const CAPABILITIES = {
  experimentalApi: false,
  requestAttestation: false,
  optOutNotificationMethods: OPTED_OUT,
};

/**
 * The client's side of Codex's app-server (`codex app-server generate-ts` prints its types): a
 * thread is opened or resumed and one turn is started in it; further messages are steered into that
 * turn while it lasts. The turn's end is the agent's.
 *
 *   initialize ──▶ thread/start or thread/resume ──▶ turn/start ──▶ … turn/completed
 */
export class CodexDialogue {
  readonly #context: AgentContext;
  readonly #model: string | undefined;
  readonly #events = new CodexEvents();
  readonly #steering = new Steering();
  #conversation: Conversation | undefined;
  readonly #rpc = new Rpc(message => this.#conversation?.send(message) ?? false);
  #begun: Promise<void> | undefined;
  #threadId: unknown;
  #turnId: unknown;

  constructor(context: AgentContext, { model }: { model: string | undefined }) {
    this.#context = context;
    this.#model = model;
  }

  readonly interpret = (message: Json): Interpretation | null => {
    if (this.#rpc.take(message)) return {};
    if (typeof message.method !== 'string') return null;
    const params = isObject(message.params) ? message.params : {};
    const isOwn = typeof params.threadId !== 'string' || params.threadId === this.#threadId;
    if (isOwn) this.#steering.take(message.method, params);
    return this.#events.take({ method: message.method, params, isOwn });
  };

  /** Concludes the conversation when no turn can begin. */
  begin(conversation: Conversation): void {
    this.#conversation = conversation;
    this.#begun = this.#begin(conversation);
  }

  async #begin(conversation: Conversation): Promise<void> {
    try {
      const clientInfo = { name: 'holdfast', title: 'Holdfast', version: '1' };
      await this.#rpc.request('initialize', { clientInfo, capabilities: CAPABILITIES });
      this.#rpc.notify('initialized');
      if (!(await this.#resume())) await this.#open('thread/start', {});
      const turn = { threadId: this.#threadId, input: textInput(this.#context.instruction) };
      await this.#rpc.request('turn/start', turn, result => {
        this.#turnId = isObject(result.turn) ? result.turn.id : undefined;
      });
    } catch (error) {
      // Without an answer, the end of the process gives the better reason.
      if (error instanceof RpcError) conversation.conclude(failed(error.message));
    }
  }

  /** False when the turn ended before the model received the message. */
  async steer(text: string): Promise<boolean> {
    await this.#begun;
    if (this.#turnId === undefined || this.#conversation?.isOver !== false) return false;
    const { id: clientUserMessageId, steered } = this.#steering.expect();
    const ids = { threadId: this.#threadId, expectedTurnId: this.#turnId, clientUserMessageId };
    const asked = this.#rpc.request('turn/steer', { ...ids, input: textInput(text) });
    asked.catch(() => this.#steering.settle(clientUserMessageId, false));
    return steered;
  }

  /** Asks Codex to end the turn; false when none has begun. */
  interrupt(): boolean {
    if (this.#turnId === undefined) return false;
    const params = { threadId: this.#threadId, turnId: this.#turnId };
    this.#rpc.request('turn/interrupt', params).catch(() => {});
    return true;
  }

  /** The process has ended: open requests and messages fail. */
  hangUp(): void {
    this.#steering.giveUp();
    this.#rpc.close(new Error('The agent ended without an answer.'));
  }

  /** False when Codex has lost the thread: a new one goes on with the work in the workspace. */
  async #resume(): Promise<boolean> {
    const { resume, emit } = this.#context;
    if (resume === null) return false;
    try {
      await this.#open('thread/resume', { threadId: resume, excludeTurns: true });
      return true;
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      emit(agentOutput('stderr', `The session cannot be resumed: ${error.message}`));
      return false;
    }
  }

  async #open(method: string, params: object): Promise<void> {
    const asked = { ...params, cwd: this.#context.workspaceDir, model: this.#model ?? null };
    await this.#rpc.request(method, asked, ({ thread, model }) => {
      this.#threadId = isObject(thread) ? thread.id : undefined;
      this.#context.emit(agentSession(this.#threadId, model));
    });
  }
}

function textInput(text: string) {
  return [{ type: 'text', text, text_elements: [] }];
}

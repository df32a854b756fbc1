import {
  type AnyMessage,
  type ClientConnection,
  type ClientContext,
  client,
  methods,
  type NewSessionRequest,
  type NewSessionResponse,
  PROTOCOL_VERSION,
  type PromptRequest,
  type PromptResponse,
  RequestError,
  type RequestPermissionRequest,
  type RequestPermissionResponse,
} from '@agentclientprotocol/sdk';
import type { AgentContext, AgentOutcome } from '../agent.ts';
import type { Conversation, Interpretation } from '../conversation.ts';
import { agentOutput, agentSession, failed, succeeded } from '../events.ts';
import type { Json } from '../text.ts';
import { AcpUpdates } from './events.ts';

/**
 * The client's side of the Agent Client Protocol (version 1): initialize, open or load a session,
 * one prompt, and what the agent asks in between. It offers no files and no terminal: an agent in
 * the sandbox has its own.
 */
export class AcpDialogue {
  readonly #context: AgentContext;
  readonly #allowAll: boolean;
  readonly #updates = new AcpUpdates();
  #connection: ClientConnection | undefined;
  #incoming: ReadableStreamDefaultController<AnyMessage> | undefined;
  #sessionId: string | null = null;
  #isPrompted = false;

  constructor(context: AgentContext, options: { allowAll: boolean }) {
    this.#context = context;
    this.#allowAll = options.allowAll;
  }

  /** Passes a line of the agent to the protocol. */
  readonly interpret = (message: Json): Interpretation | null => {
    if (message.jsonrpc !== '2.0') return null;
    this.#incoming?.enqueue(message as AnyMessage);
    return {};
  };

  /** Runs until the agent has answered the prompt. Never rejects. */
  async run(conversation: Conversation): Promise<AgentOutcome> {
    try {
      return await this.#talk(this.#connect(conversation));
    } catch (error) {
      return failed(reason(error));
    } finally {
      for (const event of this.#updates.flush()) if (event) this.#context.emit(event);
      this.#connection?.close();
    }
  }

  /** Asks the agent to end its turn; false when no turn has begun. */
  cancel(): boolean {
    if (!this.#isPrompted || this.#sessionId === null) return false;
    const params = { sessionId: this.#sessionId };
    this.#connection?.agent.notify(methods.agent.session.cancel, params).catch(() => {});
    return true;
  }

  /** The process has ended: open requests fail. */
  hangUp(): void {
    this.#connection?.close(new Error('The agent ended without an answer.'));
  }

  #connect(conversation: Conversation): ClientConnection {
    const readable = new ReadableStream<AnyMessage>({
      start: controller => {
        this.#incoming = controller;
      },
    });
    const writable = new WritableStream<AnyMessage>({
      write: message => {
        if (!conversation.send(message)) throw new Error('The agent takes no more messages.');
      },
    });
    this.#connection = client({ name: 'holdfast' })
      .onRequest(methods.client.session.requestPermission, ({ params }) => this.#permit(params))
      .onNotification(methods.client.session.update, ({ params }) => this.#update(params))
      .connect({ readable, writable });
    return this.#connection;
  }

  async #talk({ agent }: ClientConnection): Promise<AgentOutcome> {
    const { agentCapabilities } = await agent.request(methods.agent.initialize, {
      protocolVersion: PROTOCOL_VERSION,
      clientCapabilities: { fs: { readTextFile: false, writeTextFile: false }, terminal: false },
    });
    let sessionId = agentCapabilities?.loadSession === true ? await this.#load(agent) : null;
    if (sessionId === null) {
      const opened = await agent.request<NewSessionResponse, NewSessionRequest>(
        methods.agent.session.new,
        { cwd: this.#context.workspaceDir, mcpServers: [] },
      );
      sessionId = opened.sessionId;
    }
    this.#sessionId = sessionId;
    this.#context.emit(agentSession(sessionId, null));
    this.#isPrompted = true;
    const { stopReason } = await agent.request<PromptResponse, PromptRequest>(
      methods.agent.session.prompt,
      { sessionId, prompt: [{ type: 'text', text: this.#context.instruction }] },
    );
    for (const event of this.#updates.flush()) if (event) this.#context.emit(event);
    if (stopReason === 'end_turn') return succeeded(this.#updates.lastMessage);
    return failed(STOPPED[stopReason] ?? `The agent stopped: ${stopReason}.`);
  }

  /** Null when the agent has lost the session: a new one goes on with the work in the workspace. */
  async #load(agent: ClientContext): Promise<string | null> {
    const { resume, workspaceDir: cwd } = this.#context;
    if (resume === null) return null;
    const params = { sessionId: resume, cwd, mcpServers: [] };
    try {
      await agent.request(methods.agent.session.load, params);
      return resume;
    } catch (error) {
      this.#context.emit(agentOutput('stderr', `The session cannot be loaded: ${reason(error)}`));
      return null;
    }
  }

  /** Updates before the prompt repeat a loaded session and are dropped. */
  #update({ update }: { update: unknown }): void {
    if (!this.#isPrompted) return;
    for (const event of this.#updates.take(update as Json)) if (event) this.#context.emit(event);
  }

  /** Without a sandbox, deny commands. */
  #permit({ options, toolCall }: RequestPermissionRequest): RequestPermissionResponse {
    const may = this.#allowAll || HARMLESS.has(toolCall.kind ?? 'other');
    const wanted = may ? ['allow_once', 'allow_always'] : ['reject_once', 'reject_always'];
    const option = wanted
      .map(kind => options.find(entry => entry.kind === kind))
      .find(entry => entry !== undefined);
    if (option === undefined) return { outcome: { outcome: 'cancelled' } };
    return { outcome: { outcome: 'selected', optionId: option.optionId } };
  }
}

/** Agents tend to report "Internal error" and put the cause beside it. */
function reason(error: unknown): string {
  const text = error instanceof Error ? error.message : 'unknown';
  const data = error instanceof RequestError ? error.data : undefined;
  return data === undefined ? text : `${text} ${JSON.stringify(data)}`;
}

const HARMLESS = new Set(['read', 'edit', 'search', 'think']);

const STOPPED: Readonly<Record<string, string>> = {
  max_tokens: 'The agent reached its limit of tokens.',
  max_turn_requests: 'The agent reached its limit of model calls.',
  refusal: 'The agent refused.',
  cancelled: 'Interrupted.',
};

import { bounded } from './context.ts';
import { type Model, type ModelAnswer, ModelFailure } from './model.ts';
import type { Session } from './session.ts';
import { runTool } from './tool-runner.ts';
import { isToolName, KINDS } from './tools.ts';
import type { FollowUp, FromAgent, Result } from './wire.ts';

/**
 * The loop: call the model and carry out its tool calls, until it answers without one. After each
 * model call and each tool the session is saved. Follow-ups are taken in before the next model
 * call; one that comes with the last answer makes another round.
 */
export const STEPS_MAX = 200;
const SHOWN_MAX_CHARS = 32 * 1024;

/** The system prompt, before the user's instruction. */
const INSTRUCTIONS = `You are a coding agent. You work alone in a clone of a git \
repository, which is your working directory; questions get no answer while you work.

- Look before you change: list, search and read what matters.
- Make the change that was asked for, completely, in the style of the code around it, and nothing \
else. Leave the files changed in the working tree; there is no need to commit.
- Run the repository's own tests or checks where there are any, and repair what you broke.
- For work of several steps keep a plan with update_plan.
- Paths outside the working directory, other people's secrets and the network are not yours.
- When the work is done, answer without using a tool: a short summary of what changed and why, and \
what is left open.`;

export class Inbox {
  readonly #waiting: FollowUp[] = [];
  #closed = false;

  /** False once the agent has ended its work. */
  put(message: FollowUp): boolean {
    if (!this.#closed) this.#waiting.push(message);
    return !this.#closed;
  }

  takeAll(): FollowUp[] {
    return this.#waiting.splice(0);
  }

  /** Closes the inbox unless a message waits. */
  closeIfEmpty(): boolean {
    if (this.#waiting.length === 0) this.#closed = true;
    return this.#closed;
  }
}

export interface Work {
  readonly session: Session;
  readonly model: Model;
  readonly inbox: Inbox;
  readonly workspaceDir: string;
  readonly signal: AbortSignal;
  emit(message: FromAgent): void;
}

/** Resolves to how it ended; rejects only when the session cannot be saved. */
export async function work(job: Work): Promise<Result> {
  const { session, signal } = job;
  try {
    return await steps(job);
  } catch (error) {
    session.answerInterrupted();
    await session.save();
    if (signal.aborted) return { type: 'result', status: 'interrupted' };
    return {
      type: 'result',
      status: 'error',
      reason: error instanceof ModelFailure ? error.reason : 'agent_error',
      message: error instanceof Error ? error.message : 'The agent failed.',
    };
  }
}

async function steps(job: Work): Promise<Result> {
  const { session, inbox, signal } = job;
  for (;;) {
    for (const { text } of inbox.takeAll()) session.addUserMessage(text);
    if (session.state.steps >= STEPS_MAX) {
      throw new Error(`No end after ${STEPS_MAX} steps.`);
    }
    const answer = await callModel(job);
    if (session.unanswered().length > 0) {
      await runTools(job);
      signal.throwIfAborted();
      continue;
    }
    // The SDK itself has answered a call whose arguments it could not read.
    if (session.state.messages.at(-1)?.role === 'tool') continue;
    if (answer.finishReason !== 'stop') {
      throw new Error(`The model ended with "${answer.finishReason}".`);
    }
    if (!inbox.closeIfEmpty()) continue;
    session.state.instruction = null;
    await session.save();
    return { type: 'result', status: 'success', summary: answer.text.trim() || 'Done.' };
  }
}

async function callModel({ session, model, emit }: Work): Promise<ModelAnswer> {
  const { state } = session;
  state.messages = bounded(state.messages);
  state.steps++;
  await session.save();
  const answer = await model(INSTRUCTIONS, state.messages);
  state.messages.push(...answer.messages);
  await session.save();
  if (answer.thought !== '') emit({ type: 'thought', text: shown(answer.thought) });
  if (answer.text !== '') emit({ type: 'message', text: shown(answer.text) });
  emit({
    type: 'usage',
    input_tokens: answer.usage.inputTokens ?? 0,
    output_tokens: answer.usage.outputTokens ?? 0,
    cached_tokens: answer.usage.inputTokenDetails.cacheReadTokens ?? 0,
  });
  return answer;
}

async function runTools({ session, workspaceDir, signal, emit }: Work): Promise<void> {
  for (const call of session.unanswered()) {
    signal.throwIfAborted();
    const { toolCallId: call_id, toolName: name, input } = call;
    const kind = isToolName(name) ? KINDS[name] : 'other';
    emit({ type: 'tool_start', call_id, name, kind, input: shown(JSON.stringify(input) ?? '') });
    const answer = await runTool(name, input, {
      workspaceDir,
      signal,
      setPlan: items => {
        session.state.plan = items;
        emit({ type: 'plan', items });
      },
    });
    signal.throwIfAborted();
    session.answer(call, answer.output, answer.ok);
    await session.save();
    emit({
      type: 'tool_finish',
      call_id,
      status: answer.ok ? 'ok' : 'error',
      exit_code: answer.exitCode,
      output: shown(answer.output),
    });
  }
}

const shown = (value: string): string => value.slice(0, SHOWN_MAX_CHARS);

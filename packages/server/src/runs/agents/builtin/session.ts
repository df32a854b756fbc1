import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelMessage, ToolContent } from 'ai';
import type { PlanStatus } from './wire.ts';

/**
 * The agent's memory: the conversation so far and its plan, in one file under the run's home,
 * written whole after every step and every tool, so that a killed agent resumes from there.
 */
const FOLDER = '.holdfast-agent';
const SESSION_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
export const INTERRUPTED = 'Interrupted before it had a result. Look at what is there and go on.';

export interface SessionState {
  readonly version: 1;
  readonly id: string;
  messages: ModelMessage[];
  plan: { text: string; status: PlanStatus }[];
  /** Model calls since the last instruction. */
  steps: number;
  /** The instruction at work; null when its work ended. */
  instruction: string | null;
}

export class Session {
  readonly state: SessionState;
  readonly #folder: string;

  private constructor(folder: string, state: SessionState) {
    this.#folder = folder;
    this.state = state;
  }

  static create(homeDir: string): Session {
    const state: SessionState = {
      version: 1,
      id: randomUUID(),
      messages: [],
      plan: [],
      steps: 0,
      instruction: null,
    };
    return new Session(join(homeDir, FOLDER), state);
  }

  /** Throws an error with a readable message when there is no such session. */
  static async open(homeDir: string, id: string): Promise<Session> {
    if (!SESSION_ID.test(id)) throw new Error('That is not the id of a session.');
    const folder = join(homeDir, FOLDER);
    const state = parse(await readFile(join(folder, `${id}.json`), 'utf8').catch(() => ''));
    if (state === null || state.id !== id) throw new Error(`There is no session ${id} to resume.`);
    const session = new Session(folder, state);
    session.answerInterrupted();
    return session;
  }

  get id(): string {
    return this.state.id;
  }

  /** An instruction equal to the one at work is a new attempt at it, and is not repeated. */
  begin(instruction: string): void {
    if (this.state.instruction === instruction) return;
    this.state.instruction = instruction;
    this.state.steps = 0;
    this.addUserMessage(instruction);
  }

  addUserMessage(text: string): void {
    this.state.messages.push({ role: 'user', content: text });
  }

  /** Tool calls of the last assistant message without an answer. */
  unanswered(): { toolCallId: string; toolName: string; input: unknown }[] {
    const { messages } = this.state;
    const last = messages.findLastIndex(({ role }) => role === 'assistant');
    const message = messages[last];
    if (message?.role !== 'assistant' || typeof message.content === 'string') return [];
    const answered = new Set(messages.slice(last).flatMap(resultIds));
    return message.content
      .filter(part => part.type === 'tool-call')
      .filter(({ toolCallId }) => !answered.has(toolCallId));
  }

  answer(call: { toolCallId: string; toolName: string }, output: string, ok: boolean): void {
    const result: ToolContent[number] = {
      type: 'tool-result',
      toolCallId: call.toolCallId,
      toolName: call.toolName,
      output: { type: ok ? 'text' : 'error-text', value: output },
    };
    const last = this.state.messages.at(-1);
    if (last?.role === 'tool') last.content.push(result);
    else this.state.messages.push({ role: 'tool', content: [result] });
  }

  /** Models refuse a call without a result, so an interrupted call gets this answer. */
  answerInterrupted(): void {
    for (const call of this.unanswered()) this.answer(call, INTERRUPTED, false);
  }

  /** Atomic: a reader finds the old state or the new one. */
  async save(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const file = join(this.#folder, `${this.id}.json`);
    await writeFile(`${file}.new`, JSON.stringify(this.state), { mode: 0o600 });
    await rename(`${file}.new`, file);
  }
}

function resultIds(message: ModelMessage): string[] {
  if (message.role !== 'tool') return [];
  return message.content.filter(part => part.type === 'tool-result').map(part => part.toolCallId);
}

function parse(json: string): SessionState | null {
  try {
    const state = JSON.parse(json) as SessionState;
    return state.version === 1 && Array.isArray(state.messages) ? state : null;
  } catch {
    return null;
  }
}

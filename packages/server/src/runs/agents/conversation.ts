import { parseJson } from '../../kernel/index.ts';
import type { NewEvent } from '../../platform/log/index.ts';
import type { SandboxedProcess } from '../sandbox/sandbox.ts';
import type { AgentContext, AgentOutcome } from './agent.ts';
import { agentOutput } from './events.ts';
import { type Line, readLines } from './lines.ts';
import { isObject, type Json } from './text.ts';

/**
 * What all agents with a line-based interface share: a process is started, its lines are read,
 * masked and handed to the adapter, which answers with events and, at last, an outcome.
 *
 *   talking ──outcome──▶ closing (standard input closed) ──process ends──▶ done
 *      └──── process ends without outcome ────▶ done: failed
 *
 * An agent that has reported its outcome but does not end is killed after `EXIT_GRACE_MS`.
 */
const EXIT_GRACE_MS = 10_000;
/** Plain text that an agent prints beside its interface, per run. Text beyond it is not logged. */
export const PLAIN_OUTPUT_MAX_BYTES = 2 * 1024 * 1024;
/** Bytes that wait for an agent to read them. */
export const INPUT_MAX_BYTES = 8 * 1024 * 1024;
/** One line of plain text; leaves room for the note within what one event holds. */
const PRINTED_MAX_CHARS = 24 * 1024;
const OUTPUT_TAIL_MAX_CHARS = 2000;
/** Shorter strings are no secrets, and masking them would make output unreadable. */
const SECRET_MIN_CHARS = 8;
export const MASK = '***';

export interface Interpretation {
  readonly events?: readonly (NewEvent | null)[];
  readonly outcome?: AgentOutcome;
}

interface ConversationOptions {
  readonly context: AgentContext;
  readonly process: SandboxedProcess;
  /**
   * Interprets one JSON object of standard output. Null or an error: it is no message of the
   * interface.
   */
  interpret(message: Json): Interpretation | null;
  readonly exitGraceMs?: number;
  /** Events that the adapter still holds when the process has ended. */
  flush?(): readonly (NewEvent | null)[];
}

export class Conversation {
  /** Never rejects. */
  readonly done: Promise<AgentOutcome>;
  readonly #options: ConversationOptions;
  #outcome: AgentOutcome | null = null;
  #stopped = false;
  #hasEnded = false;
  #outputTail = '';
  #plainBytes = 0;
  #killer: NodeJS.Timeout | undefined;

  constructor(options: ConversationOptions) {
    this.#options = options;
    options.process.stdin.on('error', () => {});
    this.done = this.#finish();
  }

  get isOver(): boolean {
    return this.#outcome !== null || this.#stopped;
  }

  /** Writes one JSON line; false when standard input is closed or full. */
  send(message: unknown): boolean {
    const { stdin } = this.#options.process;
    if (!stdin.writable || stdin.writableLength > INPUT_MAX_BYTES) return false;
    stdin.write(`${JSON.stringify(message)}\n`);
    return true;
  }

  stop(signal: NodeJS.Signals): void {
    this.#stopped = true;
    this.#options.process.kill(signal);
  }

  async #finish(): Promise<AgentOutcome> {
    const { process, flush } = this.#options;
    const read = [
      readLines(process.stdout, line => this.#takeLine(line)),
      readLines(process.stderr, line => this.#print('stderr', line)),
    ];
    const { code, signal } = await process.exited;
    // A grandchild may hold the output open; this ends it with the group.
    process.kill('SIGKILL');
    await Promise.all(read);
    this.#hasEnded = true;
    clearTimeout(this.#killer);
    this.#emit(flush?.() ?? []);
    return this.#outcome ?? this.#endedWithout(code, signal);
  }

  #takeLine(line: Line): void {
    const message = line.droppedBytes === 0 ? parse(this.#masked(line.text)) : null;
    let meaning: Interpretation | null = null;
    try {
      if (message !== null) meaning = this.#options.interpret(message);
    } catch {
      // An agent's message may have any shape, and must not end the server.
    }
    if (meaning === null) {
      this.#print('stdout', line);
      return;
    }
    this.#emit(meaning.events ?? []);
    if (meaning.outcome) this.conclude(meaning.outcome);
  }

  /**
   * The last outcome counts: a late message makes some agents continue. No effect once the process
   * has ended.
   */
  conclude(outcome: AgentOutcome): void {
    const { process, exitGraceMs = EXIT_GRACE_MS } = this.#options;
    if (this.#hasEnded) return;
    this.#outcome = outcome;
    process.stdin.end();
    this.#killer ??= setTimeout(() => process.kill('SIGKILL'), exitGraceMs);
  }

  #print(stream: 'stdout' | 'stderr', { text, droppedBytes }: Line): void {
    const value = this.#masked(text).slice(0, PRINTED_MAX_CHARS);
    if (value.trim() === '' || this.#plainBytes > PLAIN_OUTPUT_MAX_BYTES) return;
    this.#plainBytes += Buffer.byteLength(value);
    this.#outputTail = `${this.#outputTail}${value}\n`.slice(-OUTPUT_TAIL_MAX_CHARS);
    const note = droppedBytes > 0 ? `\n[line cut: ${droppedBytes} bytes left out]` : '';
    const isCut = droppedBytes > 0 || text.length > PRINTED_MAX_CHARS;
    const events = [agentOutput(stream, value + note, isCut)];
    if (this.#plainBytes > PLAIN_OUTPUT_MAX_BYTES) {
      events.push(agentOutput(stream, '[further plain output is not logged]', true));
    }
    this.#emit(events);
  }

  #emit(events: readonly (NewEvent | null)[]): void {
    for (const event of events) if (event !== null) this.#options.context.emit(event);
  }

  #masked(text: string): string {
    return mask(text, [this.#options.context.token]);
  }

  #endedWithout(code: number | null, signal: NodeJS.Signals | null): AgentOutcome {
    const how = signal === null ? `with exit code ${code}` : `by ${signal}`;
    const tail = this.#outputTail.trim();
    const message = `The agent ended ${how} without a result.${tail === '' ? '' : `\n${tail}`}`;
    return { kind: 'failed', reason: 'agent_error', message };
  }
}

function parse(line: string): Json | null {
  try {
    const value: unknown = parseJson(line);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** `text` with every known secret replaced, longest first, so that no part of one remains. */
export function mask(text: string, secrets: readonly string[]): string {
  const known = secrets.filter(secret => secret.length >= SECRET_MIN_CHARS);
  known.sort((a, b) => b.length - a.length);
  return known.reduce((masked, secret) => masked.replaceAll(secret, MASK), text);
}

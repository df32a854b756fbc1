import type { ToolTurn } from './conversation.ts';
import { known, type ResponseItem, type ServerEvent } from './events.ts';

/**
 * Runs the functions a model calls. The output of a call goes back as soon as it is there; the next
 * answer is asked for once, when the answer that held the calls is done and all of them have
 * returned, because a model refuses to begin an answer while another is being made.
 */
export type ToolHandler = (args: Record<string, unknown>) => unknown;

export interface ToolHost {
  send(event: object): void;
  onTurn(itemId: string, turn: ToolTurn): void;
  onRunning(count: number): void;
  /** Called when all calls of an answer have returned, to request the next answer. */
  onReturned(): void;
}

/** A tool that takes longer gets an error as its output, so that the conversation continues. */
export const TOOL_TIMEOUT_MS = 30_000;
/** A longer output is cut and marked as cut. */
export const TOOL_OUTPUT_MAX_CHARS = 32_000;
/** How many finished calls are remembered, so that one that is announced twice runs once. */
const SEEN_CALLS_MAX = 1000;

export class ToolRunner {
  private readonly handlers = new Map<string, ToolHandler>();
  private readonly seen = new Set<string>();
  private readonly pending = new Map<string, Set<Promise<void>>>();
  private running = 0;
  private readonly host: ToolHost;
  private readonly timeoutMs: number;

  constructor(host: ToolHost, timeoutMs = TOOL_TIMEOUT_MS) {
    this.host = host;
    this.timeoutMs = timeoutMs;
  }

  /** The handler's return value, as JSON, is the output; what it throws becomes `{error}`. */
  register(name: string, handler: ToolHandler): () => void {
    this.handlers.set(name, handler);
    return () => {
      if (this.handlers.get(name) === handler) this.handlers.delete(name);
    };
  }

  apply(event: ServerEvent): void {
    const e = known(event);
    if (e.type === 'response.output_item.done' && e.item) {
      this.call(e.response_id ?? '', e.item);
    } else if (e.type === 'response.done') {
      const responseId = e.response?.id ?? '';
      for (const item of e.response?.output ?? []) this.call(responseId, item);
      void this.settle(responseId);
    }
  }

  private call(responseId: string, item: ResponseItem): void {
    const { call_id: callId, name } = item;
    if (item.type !== 'function_call' || !callId || !name || this.seen.has(callId)) return;
    this.remember(callId);
    const calls = this.pending.get(responseId) ?? new Set();
    this.pending.set(responseId, calls);
    calls.add(this.run(item.id ?? callId, { callId, name, arguments: item.arguments ?? '{}' }));
  }

  private async run(
    itemId: string,
    call: { callId: string; name: string; arguments: string },
  ): Promise<void> {
    this.count(1);
    this.host.onTurn(itemId, { ...call, status: 'running', output: '' });
    const { ok, output } = await this.invoke(call.name, call.arguments);
    this.host.onTurn(itemId, { ...call, status: ok ? 'done' : 'failed', output });
    this.host.send({
      type: 'conversation.item.create',
      item: { type: 'function_call_output', call_id: call.callId, output },
    });
    this.count(-1);
  }

  private async invoke(name: string, json: string): Promise<{ ok: boolean; output: string }> {
    const handler = this.handlers.get(name);
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      if (!handler) throw new Error(`There is no tool "${name}" here.`);
      const timeout = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error('The tool took too long.')), this.timeoutMs);
      });
      const args = parseArguments(json);
      const value = await Promise.race([Promise.resolve().then(() => handler(args)), timeout]);
      return { ok: true, output: bounded(JSON.stringify(value ?? null)) };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return { ok: false, output: bounded(JSON.stringify({ error: message })) };
    } finally {
      clearTimeout(timer);
    }
  }

  private async settle(responseId: string): Promise<void> {
    const calls = this.pending.get(responseId);
    if (!calls) return;
    this.pending.delete(responseId);
    await Promise.all(calls);
    this.host.onReturned();
  }

  private count(change: 1 | -1): void {
    this.running += change;
    this.host.onRunning(this.running);
  }

  private remember(callId: string): void {
    this.seen.add(callId);
    if (this.seen.size > SEEN_CALLS_MAX) this.seen.delete(this.seen.values().next().value!);
  }
}

function parseArguments(json: string): Record<string, unknown> {
  const value: unknown = JSON.parse(json === '' ? '{}' : json);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new Error('The arguments are not a JSON object.');
}

function bounded(output: string): string {
  if (output.length <= TOOL_OUTPUT_MAX_CHARS) return output;
  return `${output.slice(0, TOOL_OUTPUT_MAX_CHARS)}… (cut)`;
}

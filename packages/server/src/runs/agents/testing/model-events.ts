export type Protocol = 'openai' | 'anthropic' | 'gemini';

export interface Turn {
  readonly protocol: Protocol;
  /** 1, 2, 3… over all requests. */
  readonly number: number;
  readonly body: Record<string, unknown>;
  /** The whole request as JSON, to look for words in. */
  readonly json: string;
  readonly token: string | null;
}

export interface Call {
  readonly name: string;
  readonly input: Record<string, unknown>;
}

/** Answers of a model as the event streams of the three protocols. */
interface Answer {
  readonly text?: string;
  readonly thought?: string;
  readonly calls?: readonly Call[];
}

type Event = Record<string, unknown>;

const stream = (events: readonly Event[], named = true): string =>
  events
    .map(event => `${named ? `event: ${event.type}\n` : ''}data: ${JSON.stringify(event)}\n\n`)
    .join('');

export function responsesEvents(answer: Answer, turn: Turn): string {
  const id = `resp_${turn.number}`;
  const items = responseItems(answer, turn);
  const base = { id, object: 'response', created_at: 1_700_000_000, model: 'test-model' };
  const events: Event[] = [{ type: 'response.created', response: { ...base, output: [] } }];
  items.forEach((item, output_index) => {
    events.push({ type: 'response.output_item.added', output_index, item: opened(item) });
    events.push(...responseDeltas(item, output_index));
    events.push({ type: 'response.output_item.done', output_index, item });
  });
  const usage = {
    input_tokens: 10,
    output_tokens: 5,
    total_tokens: 15,
    input_tokens_details: { cached_tokens: 2 },
    output_tokens_details: { reasoning_tokens: 0 },
  };
  events.push({
    type: 'response.completed',
    response: { ...base, status: 'completed', output: items, usage },
  });
  return stream(events);
}

function responseItems({ text, thought, calls = [] }: Answer, turn: Turn): Event[] {
  const items: Event[] = [];
  if (thought !== undefined) {
    const summary = [{ type: 'summary_text', text: thought }];
    items.push({ type: 'reasoning', id: `rs_${turn.number}`, summary });
  }
  if (text !== undefined) {
    const content = [{ type: 'output_text', text, annotations: [] }];
    const id = `msg_${turn.number}`;
    items.push({ type: 'message', id, role: 'assistant', status: 'completed', content });
  }
  calls.forEach(({ name, input }, index) => {
    const call_id = `call_${turn.number}_${index}`;
    const call = { type: 'function_call', id: `fc_${turn.number}_${index}`, call_id, name };
    items.push({ ...call, status: 'completed', arguments: JSON.stringify(input) });
  });
  return items;
}

function opened(item: Event): Event {
  if (item.type === 'message') return { ...item, status: 'in_progress', content: [] };
  if (item.type === 'reasoning') return { ...item, summary: [] };
  return { ...item, status: 'in_progress', arguments: '' };
}

function responseDeltas(item: Event, output_index: number): Event[] {
  const at = { item_id: item.id, output_index };
  if (item.type === 'function_call') {
    const type = 'response.function_call_arguments';
    return [
      { type: `${type}.delta`, ...at, delta: item.arguments },
      { type: `${type}.done`, ...at, arguments: item.arguments },
    ];
  }
  const [part] = (item.summary ?? item.content) as [{ type: string; text: string }];
  if (item.type === 'reasoning') {
    const where = { ...at, summary_index: 0 };
    const empty = { type: 'summary_text', text: '' };
    return [
      { type: 'response.reasoning_summary_part.added', ...where, part: empty },
      { type: 'response.reasoning_summary_text.delta', ...where, delta: part.text },
      { type: 'response.reasoning_summary_part.done', ...where, part },
    ];
  }
  const where = { ...at, content_index: 0 };
  const empty = { ...part, text: '' };
  return [
    { type: 'response.content_part.added', ...where, part: empty },
    { type: 'response.output_text.delta', ...where, delta: part.text },
    { type: 'response.output_text.done', ...where, text: part.text },
    { type: 'response.content_part.done', ...where, part },
  ];
}

export function anthropicEvents({ text, calls = [] }: Answer, turn: Turn): string {
  const id = `msg_${turn.number}`;
  const usage = { input_tokens: 10, output_tokens: 1 };
  const model = turn.body.model;
  const message = { id, type: 'message', role: 'assistant', model, content: [], usage };
  const events: Event[] = [{ type: 'message_start', message }];
  const blocks: { start: Event; delta: Event }[] = [];
  if (text !== undefined) {
    blocks.push({ start: { type: 'text', text: '' }, delta: { type: 'text_delta', text } });
  }
  calls.forEach(({ name, input }, index) => {
    const partial_json = JSON.stringify(input);
    blocks.push({
      start: { type: 'tool_use', id: `toolu_${turn.number}_${index}`, name, input: {} },
      delta: { type: 'input_json_delta', partial_json },
    });
  });
  blocks.forEach(({ start, delta }, index) => {
    events.push({ type: 'content_block_start', index, content_block: start });
    events.push({ type: 'content_block_delta', index, delta });
    events.push({ type: 'content_block_stop', index });
  });
  const stop_reason = calls.length > 0 ? 'tool_use' : 'end_turn';
  const delta = { stop_reason, stop_sequence: null };
  events.push({ type: 'message_delta', delta, usage: { output_tokens: 5 } });
  events.push({ type: 'message_stop' });
  return stream(events);
}

export function geminiEvents({ text, calls = [] }: Answer): string {
  const parts: Event[] = [];
  if (text !== undefined) parts.push({ text });
  for (const { name, input } of calls) parts.push({ functionCall: { name, args: input } });
  const candidate = { content: { role: 'model', parts }, finishReason: 'STOP', index: 0 };
  const usageMetadata = { promptTokenCount: 10, candidatesTokenCount: 5, totalTokenCount: 15 };
  return stream([{ candidates: [candidate], usageMetadata }], false);
}

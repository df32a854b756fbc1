/** OpenAI's Responses API. Source: openai-openapi, `CreateResponse` and `ResponseStreamEvent`. */
import {
  conversationOf,
  type Entry,
  type OfferedTool,
  offeredTool,
  type ToolCall,
} from '../coding/conversation.ts';
import { HttpError } from '../http/respond.ts';
import { MAX_KEPT_ITEMS } from '../limits.ts';
import { openaiError } from './chat.ts';
import {
  type Answer,
  asList,
  asObject,
  asText,
  type Json,
  parseArguments,
  pieces,
  type SseEvent,
  type TextProtocol,
  type TextRequest,
  textsOf,
} from './protocol.ts';

/** Output items and whole responses by id, for callers that refer to what was stored. */
class Kept {
  readonly #entries = new Map<string, Json[]>();

  put(id: string, items: Json[]): void {
    this.#entries.set(id, items);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= MAX_KEPT_ITEMS) break;
      this.#entries.delete(oldest);
    }
  }

  get(id: string): Json[] {
    const items = this.#entries.get(id);
    if (items !== undefined) return items;
    throw new HttpError(404, `Item with id '${id.slice(0, 100)}' not found.`);
  }
}

export function createResponsesProtocol(): TextProtocol {
  const kept = new Kept();
  const finish = (answer: Answer) => {
    const response = responseOf(answer);
    if (answer.body.store === false) return response;
    for (const item of response.output) kept.put(String(item.id), [item]);
    kept.put(response.id, [...inputItems(answer.body, kept), ...response.output]);
    return response;
  };
  return {
    read: body => readRequest(body, kept),
    whole: finish,
    events: answer => eventsOf(finish(answer)),
    error: openaiError,
  };
}

function readRequest(body: Json, kept: Kept): TextRequest {
  const model = asText(body.model);
  if (model === '') throw new HttpError(400, 'Missing required parameter: model.');
  const system: Entry = { kind: 'system', text: asText(body.instructions) };
  const items = inputItems(body, kept);
  const entries = [system, ...items.flatMap(entryOf)];
  const format = asObject(asObject(body.text).format);
  const answerSchema = format.type === 'json_schema' ? asObject(format.schema) : null;
  const tools = [body, ...items.filter(isToolList)].flatMap(toolsOf);
  const rest = { model, tools, answerSchema: tools.length > 0 ? null : answerSchema };
  return { conversation: conversationOf(entries, rest), stream: body.stream === true };
}

function inputItems(body: Json, kept: Kept): Json[] {
  const previous = asText(body.previous_response_id);
  const before = previous === '' ? [] : kept.get(previous);
  if (typeof body.input === 'string') return [...before, { role: 'user', content: body.input }];
  const items = asList(body.input).flatMap(item =>
    item.type === 'item_reference' ? kept.get(asText(item.id)) : [item],
  );
  return [...before, ...items];
}

function entryOf(item: Json): Entry[] {
  const id = asText(item.call_id);
  switch (item.type ?? 'message') {
    case 'message': {
      const texts = textsOf(item.content);
      if (item.role === 'user') return [{ kind: 'user', texts }];
      return item.role === 'assistant' ? [] : [{ kind: 'system', text: texts.join('\n') }];
    }
    case 'function_call':
      return [{ kind: 'call', id, name: asText(item.name), input: parseArguments(item.arguments) }];
    case 'custom_tool_call':
      return [{ kind: 'call', id, name: asText(item.name), input: item.input }];
    case 'function_call_output':
    case 'custom_tool_call_output':
      return [{ kind: 'result', id, output: textsOf(item.output).join('\n') }];
    default:
      return [];
  }
}

const isToolList = ({ type }: Json) => type === 'additional_tools';

function toolsOf({ tools }: Json): OfferedTool[] {
  return asList(tools).flatMap(toolOf);
}

function toolOf(tool: Json): OfferedTool[] {
  const name = asText(tool.name);
  if (tool.type === 'function') return [offeredTool(name, tool.parameters)];
  if (tool.type === 'namespace') return toolsOf(tool);
  return tool.type === 'custom' ? [offeredTool(name, {}, 'custom'), ...wrappedIn(tool)] : [];
}

/** Codex describes its shell within a tool that takes a program, and takes calls of it itself. */
function wrappedIn({ description }: Json): OfferedTool[] {
  if (!asText(description).includes('exec_command(')) return [];
  return [offeredTool('exec_command', { properties: { cmd: { type: 'string' } } })];
}

function responseOf({ body, model, decision, usage, nowS, random }: Answer) {
  const output: Json[] = [];
  if (decision.text !== '') {
    const content = [{ type: 'output_text', text: decision.text, annotations: [], logprobs: [] }];
    const id = random.id('msg');
    output.push({ id, type: 'message', status: 'completed', role: 'assistant', content });
  }
  for (const call of decision.calls) output.push(callItem(call, random.id('fc')));
  return {
    id: random.id('resp'),
    object: 'response',
    created_at: nowS,
    status: 'completed',
    error: null,
    incomplete_details: null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    metadata: body.metadata ?? {},
    model,
    output,
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: body.previous_response_id ?? null,
    reasoning: { effort: null, summary: null },
    store: body.store ?? true,
    temperature: body.temperature ?? 1,
    text: body.text ?? { format: { type: 'text' } },
    tool_choice: body.tool_choice ?? 'auto',
    tools: body.tools ?? [],
    top_p: body.top_p ?? 1,
    truncation: body.truncation ?? 'disabled',
    usage: {
      input_tokens: usage.input,
      input_tokens_details: { cached_tokens: usage.cached },
      output_tokens: usage.output,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: usage.input + usage.output,
    },
  };
}

function callItem(call: ToolCall, id: string): Json {
  const shared = { id, status: 'completed', call_id: call.id, name: call.name };
  if (call.kind === 'custom') return { ...shared, type: 'custom_tool_call', input: call.input };
  return { ...shared, type: 'function_call', arguments: JSON.stringify(call.input) };
}

function eventsOf(response: ReturnType<typeof responseOf>): SseEvent[] {
  const begun = { ...response, status: 'in_progress', output: [], usage: null };
  const events: Json[] = [
    { type: 'response.created', response: begun },
    { type: 'response.in_progress', response: begun },
    ...response.output.flatMap((item, index) => itemEvents(item, index)),
    { type: 'response.completed', response },
  ];
  return events.map((event, sequence_number) => ({
    event: String(event.type),
    data: { ...event, sequence_number },
  }));
}

function itemEvents(item: Json, output_index: number): Json[] {
  const added = (open: Json) => ({
    type: 'response.output_item.added',
    output_index,
    item: { ...item, status: 'in_progress', ...open },
  });
  const done = { type: 'response.output_item.done', output_index, item };
  const at = { item_id: item.id, output_index };
  if (item.type === 'message') {
    return [added({ content: [] }), ...textEvents(asList(item.content)[0]!, at), done];
  }
  const custom = item.type === 'custom_tool_call';
  const field = custom ? 'input' : 'arguments';
  const name = custom ? 'response.custom_tool_call_input' : 'response.function_call_arguments';
  const text = asText(item[field]);
  return [
    added({ [field]: '' }),
    ...pieces(text).map(delta => ({ type: `${name}.delta`, ...at, delta })),
    { type: `${name}.done`, ...at, [field]: text },
    done,
  ];
}

function textEvents(part: Json, item: Json): Json[] {
  const at = { ...item, content_index: 0 };
  const text = asText(part.text);
  return [
    { type: 'response.content_part.added', ...at, part: { ...part, text: '' } },
    ...pieces(text).map(delta => ({
      type: 'response.output_text.delta',
      ...at,
      delta,
      logprobs: [],
    })),
    { type: 'response.output_text.done', ...at, text, logprobs: [] },
    { type: 'response.content_part.done', ...at, part },
  ];
}

/** Anthropic's Messages API. Source: docs.anthropic.com, "Messages" and "Streaming messages". */
import { conversationOf, type Entry, offeredTool } from '../coding/conversation.ts';
import type { Refusal } from '../faults/fault.ts';
import { HttpError } from '../http/respond.ts';
import {
  type Answer,
  asList,
  asObject,
  asText,
  type Json,
  pieces,
  type SseEvent,
  type TextProtocol,
  type TextRequest,
  textsOf,
} from './protocol.ts';

export const messagesProtocol: TextProtocol = {
  read: readRequest,
  whole: messageOf,
  events: eventsOf,
  error: anthropicError,
};

const ERROR_TYPES: Record<number, string> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  529: 'overloaded_error',
};

function anthropicError({ status, message }: Refusal): unknown {
  return { type: 'error', error: { type: ERROR_TYPES[status] ?? 'api_error', message } };
}

function readRequest(body: Json): TextRequest {
  const model = asText(body.model);
  if (model === '') throw new HttpError(400, 'model: Field required');
  const tools = asList(body.tools).flatMap(tool =>
    tool.input_schema === undefined ? [] : [offeredTool(asText(tool.name), tool.input_schema)],
  );
  const format = asObject(asObject(body.output_config).format ?? body.output_format);
  const answerSchema = format.schema === undefined ? null : asObject(format.schema);
  const system: Entry = { kind: 'system', text: textsOf(body.system).join('\n') };
  const entries = [system, ...asList(body.messages).flatMap(entriesOf)];
  const rest = { model, tools, answerSchema: tools.length > 0 ? null : answerSchema };
  return { conversation: conversationOf(entries, rest), stream: body.stream === true };
}

/**
 * A user's message holds results and, often, texts of the agent's own beside them; Claude Code
 * sends messages of the role `system` in between.
 */
function entriesOf(message: Json): Entry[] {
  const parts = typeof message.content === 'string' ? [] : asList(message.content);
  if (message.role === 'assistant') {
    return parts
      .filter(part => part.type === 'tool_use')
      .map(part => ({
        kind: 'call',
        id: asText(part.id),
        name: asText(part.name),
        input: part.input,
      }));
  }
  if (message.role !== 'user')
    return [{ kind: 'system', text: textsOf(message.content).join('\n') }];
  const results = parts
    .filter(part => part.type === 'tool_result')
    .map<Entry>(part => ({
      kind: 'result',
      id: asText(part.tool_use_id),
      output: textsOf(part.content).join('\n'),
    }));
  const texts = textsOf(message.content);
  return texts.length > 0 ? [...results, { kind: 'user', texts }] : results;
}

function contentOf({ decision, random }: Answer): Json[] {
  const text = decision.text === '' ? [] : [{ type: 'text', text: decision.text }];
  const calls = decision.calls.map(({ name, input }) => ({
    type: 'tool_use',
    id: random.id('toolu'),
    name,
    input: typeof input === 'string' ? { input } : input,
  }));
  return [...text, ...calls];
}

function messageOf(answer: Answer) {
  const { usage } = answer;
  return {
    id: answer.random.id('msg'),
    type: 'message',
    role: 'assistant',
    model: answer.model,
    content: contentOf(answer),
    stop_reason: answer.decision.calls.length > 0 ? 'tool_use' : 'end_turn',
    stop_sequence: null,
    usage: {
      // Without what came from the cache, which is counted apart.
      input_tokens: usage.input - usage.cached,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: usage.cached,
      output_tokens: usage.output,
    },
  };
}

function eventsOf(answer: Answer): SseEvent[] {
  const whole = messageOf(answer);
  const usage = { ...whole.usage, output_tokens: 1 };
  const message = { ...whole, content: [], stop_reason: null, usage };
  const delta = { stop_reason: whole.stop_reason, stop_sequence: null };
  const events: Json[] = [
    { type: 'message_start', message },
    { type: 'ping' },
    ...whole.content.flatMap((block, index) => blockEvents(block, index)),
    { type: 'message_delta', delta, usage: { output_tokens: answer.usage.output } },
    { type: 'message_stop' },
  ];
  return events.map(data => ({ event: String(data.type), data }));
}

function blockEvents(block: Json, index: number): Json[] {
  const isText = block.type === 'text';
  const deltas = isText
    ? pieces(asText(block.text)).map(text => ({ type: 'text_delta', text }))
    : pieces(JSON.stringify(block.input)).map(partial_json => ({
        type: 'input_json_delta',
        partial_json,
      }));
  const opened = isText ? { ...block, text: '' } : { ...block, input: {} };
  return [
    { type: 'content_block_start', index, content_block: opened },
    ...deltas.map(delta => ({ type: 'content_block_delta', index, delta })),
    { type: 'content_block_stop', index },
  ];
}

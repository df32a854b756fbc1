/** OpenAI's chat completions. Source: openai-openapi, `CreateChatCompletionRequest`. */
import { conversationOf, type Entry, offeredTool } from '../coding/conversation.ts';
import type { Refusal } from '../faults/fault.ts';
import { errorBody, HttpError } from '../http/respond.ts';
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

export const chatProtocol: TextProtocol = {
  read: readRequest,
  whole: completionOf,
  events: chunksOf,
  error: openaiError,
};

export function openaiError(refusal: Refusal): unknown {
  return JSON.parse(errorBody(refusal));
}

function readRequest(body: Json): TextRequest {
  const model = asText(body.model);
  if (model === '') throw new HttpError(400, 'you must provide a model parameter');
  const tools = asList(body.tools).flatMap(tool => {
    const { name, parameters } = asObject(tool.function);
    return tool.type === 'function' ? [offeredTool(asText(name), parameters)] : [];
  });
  const format = asObject(body.response_format);
  const schema = format.type === 'json_schema' ? asObject(format.json_schema).schema : undefined;
  const answerSchema = schema === undefined || tools.length > 0 ? null : asObject(schema);
  const entries = asList(body.messages).flatMap(entriesOf);
  const conversation = conversationOf(entries, { model, tools, answerSchema });
  return { conversation, stream: body.stream === true };
}

function entriesOf(message: Json): Entry[] {
  const texts = textsOf(message.content);
  switch (message.role) {
    case 'user':
      return [{ kind: 'user', texts }];
    case 'assistant':
      return asList(message.tool_calls).map(call => {
        const { name, arguments: input } = asObject(call.function);
        return {
          kind: 'call',
          id: asText(call.id),
          name: asText(name),
          input: parseArguments(input),
        };
      });
    case 'tool':
      return [{ kind: 'result', id: asText(message.tool_call_id), output: texts.join('\n') }];
    default:
      return [{ kind: 'system', text: texts.join('\n') }];
  }
}

function usageOf({ usage }: Answer) {
  return {
    prompt_tokens: usage.input,
    completion_tokens: usage.output,
    total_tokens: usage.input + usage.output,
    prompt_tokens_details: { cached_tokens: usage.cached },
    completion_tokens_details: { reasoning_tokens: 0 },
  };
}

function callsOf({ decision }: Answer) {
  return decision.calls.map(({ id, name, input }) => ({
    id,
    type: 'function',
    function: { name, arguments: typeof input === 'string' ? input : JSON.stringify(input) },
  }));
}

function finishReason({ decision }: Answer): string {
  return decision.calls.length > 0 ? 'tool_calls' : 'stop';
}

function completionOf(answer: Answer): unknown {
  const { random, nowS, model, decision } = answer;
  const calls = callsOf(answer);
  const message = {
    role: 'assistant',
    content: decision.text === '' ? null : decision.text,
    refusal: null,
    ...(calls.length > 0 && { tool_calls: calls }),
  };
  const finish_reason = finishReason(answer);
  return {
    id: random.id('chatcmpl'),
    object: 'chat.completion',
    created: nowS,
    model,
    choices: [{ index: 0, message, logprobs: null, finish_reason }],
    usage: usageOf(answer),
  };
}

/** Usage comes in a last chunk without choices, only where it was asked for. */
function chunksOf(answer: Answer): SseEvent[] {
  const { random, nowS, model, decision, body } = answer;
  const wantsUsage = asObject(body.stream_options).include_usage === true;
  const shared = {
    id: random.id('chatcmpl'),
    object: 'chat.completion.chunk',
    created: nowS,
    model,
  };
  const chunk = (delta: Json, finish_reason: string | null = null): SseEvent => ({
    data: {
      ...shared,
      choices: [{ index: 0, delta, logprobs: null, finish_reason }],
      ...(wantsUsage && { usage: null }),
    },
  });
  const calls = callsOf(answer).flatMap((call, index) => [
    chunk({ tool_calls: [{ index, ...call, function: { ...call.function, arguments: '' } }] }),
    ...pieces(call.function.arguments).map(piece =>
      chunk({ tool_calls: [{ index, function: { arguments: piece } }] }),
    ),
  ]);
  return [
    chunk({ role: 'assistant', content: '' }),
    ...pieces(decision.text).map(content => chunk({ content })),
    ...calls,
    chunk({}, finishReason(answer)),
    ...(wantsUsage ? [{ data: { ...shared, choices: [], usage: usageOf(answer) } }] : []),
    { data: '[DONE]' },
  ];
}

/** Google's `generateContent`. Source: ai.google.dev, "Generating content". */
import { conversationOf, type Entry, offeredTool } from '../coding/conversation.ts';
import type { Refusal } from '../faults/fault.ts';
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

export const geminiProtocol: TextProtocol = {
  read: readRequest,
  whole: answer => {
    const { text } = answer.decision;
    const texts = text === '' ? [] : [{ text }];
    return chunkOf(answer, { parts: [...texts, ...callParts(answer)] }, true);
  },
  events: chunksOf,
  error: googleError,
};

const STATUS_NAMES: Record<number, string> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  503: 'UNAVAILABLE',
};

function googleError({ status, message }: Refusal): unknown {
  return { error: { code: status, message, status: STATUS_NAMES[status] ?? 'INTERNAL' } };
}

function readRequest(body: Json, target: { model?: string; stream: boolean }): TextRequest {
  const tools = asList(body.tools)
    .flatMap(tool => asList(tool.functionDeclarations))
    .map(tool => offeredTool(asText(tool.name), tool.parametersJsonSchema ?? tool.parameters));
  const config = asObject(body.generationConfig);
  const schema = config.responseJsonSchema ?? config.responseSchema;
  const answerSchema = schema === undefined || tools.length > 0 ? null : asObject(schema);
  const system = textsOf(asObject(body.systemInstruction).parts).join('\n');
  const entries = asList(body.contents).flatMap(entriesOf);
  const rest = { model: target.model ?? '', tools, answerSchema };
  const conversation = conversationOf([{ kind: 'system', text: system }, ...entries], rest);
  return { conversation, stream: target.stream };
}

/** Calls carry no id in older clients: then they are answered in order, by name. */
function entriesOf(content: Json): Entry[] {
  const entries: Entry[] = [];
  const texts: string[] = [];
  for (const part of asList(content.parts)) {
    const { functionCall, functionResponse } = part;
    if (functionCall !== undefined) {
      const { id, name, args } = asObject(functionCall);
      entries.push({ kind: 'call', id: asText(id ?? name), name: asText(name), input: args });
    } else if (functionResponse !== undefined) {
      const { id, name, response } = asObject(functionResponse);
      const { output: text } = asObject(response);
      const output = typeof text === 'string' ? text : JSON.stringify(response ?? '');
      entries.push({ kind: 'result', id: asText(id ?? name), output });
    } else if (content.role !== 'model' && typeof part.text === 'string') {
      texts.push(part.text);
    }
  }
  return texts.length > 0 ? [...entries, { kind: 'user', texts }] : entries;
}

function callParts({ decision }: Answer): Json[] {
  return decision.calls.map(({ id, name, input }) => ({
    functionCall: { id, name, args: typeof input === 'string' ? { input } : input },
  }));
}

function chunkOf(answer: Answer, content: Json, last: boolean) {
  const { usage, model, random } = answer;
  return {
    candidates: [
      {
        content: { role: 'model', ...content },
        index: 0,
        ...(last && { finishReason: 'STOP' }),
      },
    ],
    usageMetadata: {
      promptTokenCount: usage.input,
      cachedContentTokenCount: usage.cached,
      candidatesTokenCount: last ? usage.output : 0,
      totalTokenCount: usage.input + (last ? usage.output : 0),
    },
    modelVersion: model,
    responseId: random.id('resp'),
  };
}

function chunksOf(answer: Answer): SseEvent[] {
  const texts = pieces(answer.decision.text).map(text => ({
    data: chunkOf(answer, { parts: [{ text }] }, false),
  }));
  const calls = callParts(answer);
  const last = calls.length > 0 ? calls : [{ text: '' }];
  return [...texts, { data: chunkOf(answer, { parts: last }, true) }];
}

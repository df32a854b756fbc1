/** OpenAI's chat completions. Source: the types of `openai` 7, `ChatCompletionCreateParamsBase`. */
import { z } from 'zod';
import {
  amount,
  answers,
  flag,
  isGiven,
  json,
  list,
  schema,
  text,
  textOrList,
  tokens,
} from './fields.ts';
import type { Findings } from './findings.ts';
import { cacheOptions, cachePoint, serviceTier } from './responses.ts';

const part = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('text'),
    text: z.string(),
    prompt_cache_breakpoint: cachePoint,
  }),
  z.strictObject({ type: z.literal('refusal'), refusal: z.string() }),
  z.strictObject({
    type: z.literal('image_url'),
    image_url: z.strictObject({ url: z.string(), detail: text }),
    prompt_cache_breakpoint: cachePoint,
  }),
  z.strictObject({
    type: z.literal('file'),
    file: z.strictObject({ file_data: text, file_id: text, filename: text }),
    prompt_cache_breakpoint: cachePoint,
  }),
]);

const called = z.strictObject({ name: z.string(), arguments: text });
const message = z.strictObject({
  role: z.enum(['developer', 'system', 'user', 'assistant', 'tool', 'function']),
  content: textOrList(part),
  name: text,
  refusal: text,
  /** What models of compatible servers thought. */
  reasoning_content: text,
  reasoning: text,
  annotations: json,
  audio: z.null().optional(),
  tool_call_id: text,
  tool_calls: list(
    z.discriminatedUnion('type', [
      z.strictObject({
        type: z.literal('function').optional(),
        id: text,
        index: amount,
        function: called,
      }),
      z.strictObject({
        type: z.literal('custom'),
        id: text,
        index: amount,
        custom: z.strictObject({ name: z.string(), input: text }),
      }),
    ]),
  ),
  function_call: called.nullish(),
});

const described = z.strictObject({
  name: z.string(),
  description: text,
  parameters: schema,
  strict: flag,
});
const tool = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('function'), function: described }),
  z.strictObject({
    type: z.literal('custom'),
    custom: z.strictObject({ name: z.string(), description: text, format: json }),
  }),
]);

const named = z.strictObject({ name: z.string() });
const namedTool = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('function'), function: named }),
  z.strictObject({ type: z.literal('custom'), custom: named }),
]);
const toolChoice = z.union([
  z.enum(['none', 'auto', 'required']),
  namedTool,
  z.strictObject({
    type: z.literal('allowed_tools'),
    allowed_tools: z.strictObject({ mode: z.enum(['auto', 'required']), tools: list(namedTool) }),
  }),
]);

const format = z.discriminatedUnion('type', [
  z.strictObject({ type: z.enum(['text', 'json_object']) }),
  z.strictObject({
    type: z.literal('json_schema'),
    json_schema: z.strictObject({
      name: z.string(),
      description: text,
      schema,
      strict: flag,
    }),
  }),
]);

export const chatRequest = z.strictObject({
  model: text,
  messages: list(message),
  tools: list(tool),
  tool_choice: toolChoice.nullish(),
  functions: list(described),
  function_call: z.union([z.enum(['none', 'auto']), named]).nullish(),
  parallel_tool_calls: flag,
  max_tokens: tokens,
  max_completion_tokens: tokens,
  n: answers,
  reasoning_effort: text,
  verbosity: text,
  modalities: list(z.literal('text')),
  response_format: format.nullish(),
  web_search_options: json,
  stop: textOrList(z.string()),
  store: flag,
  stream: flag,
  stream_options: z.strictObject({ include_usage: flag, include_obfuscation: flag }).nullish(),
  service_tier: serviceTier,
  ...cacheOptions,
  temperature: amount,
  top_p: amount,
  frequency_penalty: amount,
  presence_penalty: amount,
  logit_bias: json,
  logprobs: flag,
  top_logprobs: amount,
  seed: amount,
  metadata: json,
  safety_identifier: text,
  user: text,
});

export function inspectChat(body: z.infer<typeof chatRequest>, found: Findings): void {
  if (isGiven(body.web_search_options)) found.ask('web_search', 'web_search_options');
  for (const [index, { content }] of (body.messages ?? []).entries()) {
    if (!Array.isArray(content)) continue;
    for (const [at, one] of content.entries()) {
      const field = `messages[${index}].content[${at}]`;
      if (one.type === 'image_url') found.image(one.image_url.url, `${field}.image_url.url`);
      if (one.type !== 'file') continue;
      found.document(one.file.file_data, `${field}.file.file_data`);
      found.storedFile(one.file.file_id, `${field}.file.file_id`);
    }
  }
}

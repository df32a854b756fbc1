/** OpenAI's Responses API. Source: the types of `openai` 7, `ResponseCreateParamsBase`. */
import type { HostedTool } from '@holdfast/protocol';
import { z } from 'zod';
import { amount, flag, hosted, json, list, schema, text, textOrList, tokens } from './fields.ts';
import type { Findings } from './findings.ts';

const TOOL_TYPES = {
  web_search: 'web_search',
  web_search_2025_08_26: 'web_search',
  web_search_preview: 'web_search',
  web_search_preview_2025_03_11: 'web_search',
  file_search: 'file_search',
  code_interpreter: 'code_execution',
  image_generation: 'image_generation',
  mcp: 'mcp',
  computer: 'computer_use',
  computer_use: 'computer_use',
  computer_use_preview: 'computer_use',
} as const satisfies Record<string, HostedTool>;

/** What such a tool has left in the conversation. */
const ITEM_TYPES = {
  web_search_call: 'web_search',
  file_search_call: 'file_search',
  code_interpreter_call: 'code_execution',
  image_generation_call: 'image_generation',
  computer_call: 'computer_use',
  computer_call_output: 'computer_use',
  mcp_list_tools: 'mcp',
  mcp_call: 'mcp',
  mcp_approval_request: 'mcp',
  mcp_approval_response: 'mcp',
} as const satisfies Record<string, HostedTool>;

export const cachePoint = z
  .strictObject({ mode: z.literal('explicit'), ttl: z.literal('30m').nullish() })
  .nullish();
/** Others cost more, or decide on it elsewhere. */
export const serviceTier = z.enum(['auto', 'default', 'flex']).nullish();
export const cacheOptions = {
  prompt_cache_key: text,
  prompt_cache_options: z
    .strictObject({
      mode: z.enum(['implicit', 'explicit']).nullish(),
      ttl: z.literal('30m').nullish(),
    })
    .nullish(),
  prompt_cache_retention: z.enum(['in_memory', '24h']).nullish(),
};

const part = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('input_text'),
    text: z.string(),
    prompt_cache_breakpoint: cachePoint,
  }),
  z.strictObject({
    type: z.literal('input_image'),
    image_url: text,
    file_id: text,
    detail: text,
    prompt_cache_breakpoint: cachePoint,
  }),
  z.strictObject({
    type: z.literal('input_file'),
    file_data: text,
    file_id: text,
    file_url: text,
    filename: text,
    detail: text,
    prompt_cache_breakpoint: cachePoint,
  }),
  z.strictObject({
    type: z.literal('output_text'),
    text: z.string(),
    annotations: json,
    logprobs: json,
  }),
  z.strictObject({ type: z.literal('refusal'), refusal: z.string() }),
  // What one agent wrote to another, as the provider sealed it.
  z.strictObject({ type: z.literal('encrypted_content'), encrypted_content: z.string() }),
]);
type Content = string | z.infer<typeof part>[] | null | undefined;

/** Only the model itself calls: code that runs at the provider does not. */
const callers = list(z.literal('direct'));
const functionTool = z.strictObject({
  type: z.literal('function'),
  name: z.string(),
  description: text,
  parameters: schema,
  output_schema: schema,
  strict: flag,
  async: flag,
  defer_loading: flag,
  allowed_callers: callers,
});
const customTool = z.strictObject({
  type: z.literal('custom'),
  name: z.string(),
  description: text,
  format: json,
  async: flag,
  defer_loading: flag,
  allowed_callers: callers,
});
/** Tools that the caller runs itself. */
const OWN_TOOLS = [
  functionTool,
  customTool,
  z.strictObject({
    type: z.literal('namespace'),
    name: z.string(),
    description: text,
    tools: list(z.discriminatedUnion('type', [functionTool, customTool])),
  }),
  z.strictObject({
    type: z.literal('tool_search'),
    execution: z.literal('client'),
    description: text,
    parameters: schema,
  }),
] as const;
/** Where the caller runs a shell, with what the model is told of the caller's own skills. */
const localShell = z.strictObject({
  type: z.literal('local'),
  skills: list(z.strictObject({ name: z.string(), description: z.string(), path: z.string() })),
});
const KNOWN_TOOLS = [
  z.strictObject({ type: z.literal('local_shell') }),
  z.strictObject({ type: z.literal('apply_patch'), allowed_callers: callers }),
  z.strictObject({
    type: z.literal('shell'),
    environment: localShell,
    allowed_callers: callers,
  }),
] as const;
const ownTool = z.discriminatedUnion('type', [...OWN_TOOLS, ...KNOWN_TOOLS]);
const tool = z.discriminatedUnion('type', [...OWN_TOOLS, ...KNOWN_TOOLS, hosted(TOOL_TYPES)]);
const KNOWN_TOOL_TYPES: readonly string[] = ['local_shell', 'apply_patch', 'shell'];

const direct = z.strictObject({ type: z.literal('direct') }).nullish();
const ids = { id: text, call_id: text, status: text, caller: direct, created_by: text };
const call = { ...ids, name: text, namespace: text, async: flag };
const shell = { ...ids, max_output_length: amount };
const said = list(z.strictObject({ type: z.string(), text: z.string() }));

const item = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('message').optional(),
    id: text,
    role: z.enum(['user', 'assistant', 'system', 'developer']),
    status: text,
    phase: text,
    content: textOrList(part),
  }),
  z.strictObject({ type: z.literal('item_reference'), id: z.string() }),
  z.strictObject({
    type: z.literal('reasoning'),
    id: text,
    status: text,
    summary: said,
    content: said,
    encrypted_content: text,
  }),
  z.strictObject({
    type: z.enum(['compaction', 'context_compaction']),
    id: text,
    encrypted_content: text,
  }),
  z.strictObject({ type: z.literal('compaction_trigger'), id: text }),
  z.strictObject({
    type: z.literal('agent_message'),
    id: text,
    author: text,
    recipient: text,
    content: textOrList(part),
  }),
  z.strictObject({ type: z.literal('function_call'), ...call, arguments: text }),
  z.strictObject({ type: z.literal('function_call_output'), ...call, output: textOrList(part) }),
  z.strictObject({ type: z.literal('custom_tool_call'), ...call, input: text }),
  z.strictObject({ type: z.literal('custom_tool_call_output'), ...call, output: textOrList(part) }),
  z.strictObject({ type: z.literal('local_shell_call'), ...ids, action: json }),
  z.strictObject({ type: z.literal('local_shell_call_output'), ...ids, output: text }),
  z.strictObject({
    type: z.literal('shell_call'),
    ...shell,
    action: json,
    environment: localShell.nullish(),
  }),
  z.strictObject({ type: z.literal('shell_call_output'), ...shell, output: json }),
  z.strictObject({ type: z.literal('apply_patch_call'), ...ids, operation: json }),
  z.strictObject({ type: z.literal('apply_patch_call_output'), ...ids, output: text }),
  z.strictObject({
    type: z.literal('tool_search_call'),
    ...ids,
    execution: z.literal('client'),
    arguments: json,
  }),
  z.strictObject({
    type: z.literal('tool_search_output'),
    ...ids,
    execution: z.literal('client'),
    tools: list(ownTool),
  }),
  z.strictObject({
    type: z.literal('additional_tools'),
    id: text,
    role: z.literal('developer'),
    tools: list(ownTool),
  }),
  hosted(ITEM_TYPES),
]);
type Item = z.infer<typeof item>;

const namedTool = z.strictObject({ type: z.enum(['function', 'custom']), name: z.string() });
const toolChoice = z.union([
  z.enum(['none', 'auto', 'required']),
  namedTool,
  z.strictObject({
    type: z.literal('allowed_tools'),
    mode: z.enum(['auto', 'required']),
    tools: list(namedTool),
  }),
  z.strictObject({ type: z.enum(['apply_patch', 'shell', 'local_shell']) }),
  hosted(TOOL_TYPES),
]);

const format = z.discriminatedUnion('type', [
  z.strictObject({ type: z.enum(['text', 'json_object']) }),
  z.strictObject({
    type: z.literal('json_schema'),
    name: z.string(),
    description: text,
    schema,
    strict: flag,
  }),
]);

export const responsesRequest = z.strictObject({
  model: text,
  input: textOrList(item),
  instructions: text,
  tools: list(tool),
  tool_choice: toolChoice.nullish(),
  parallel_tool_calls: flag,
  max_tool_calls: z.int().min(1).nullish(),
  max_output_tokens: tokens,
  reasoning: z
    .strictObject({
      effort: text,
      summary: text,
      generate_summary: text,
      context: text,
      mode: z.literal('standard').nullish(),
    })
    .nullish(),
  text: z.strictObject({ format: format.nullish(), verbosity: text }).nullish(),
  previous_response_id: text,
  conversation: z.union([z.string(), z.strictObject({ id: z.string() })]).nullish(),
  include: list(z.string()),
  truncation: text,
  store: flag,
  stream: flag,
  stream_options: z.strictObject({ include_obfuscation: flag }).nullish(),
  background: z.literal(false).nullish(),
  service_tier: serviceTier,
  ...cacheOptions,
  temperature: amount,
  top_p: amount,
  top_logprobs: amount,
  metadata: json,
  client_metadata: json,
  safety_identifier: text,
  user: text,
});
type Responses = z.infer<typeof responsesRequest>;

export function inspectResponses(body: Responses, found: Findings): void {
  found.reference(body.previous_response_id);
  found.reference(body.conversation);
  for (const [index, { type }] of (body.tools ?? []).entries()) {
    found.askOf(TOOL_TYPES, type, `tools[${index}].type`);
    if (KNOWN_TOOL_TYPES.includes(type)) found.knownTools += 1;
  }
  const choice = body.tool_choice;
  if (typeof choice === 'object' && choice)
    found.askOf(TOOL_TYPES, choice.type, 'tool_choice.type');
  if (!Array.isArray(body.input)) return;
  for (const [index, one] of body.input.entries()) inspectItem(one, `input[${index}]`, found);
}

function inspectItem(one: Item, field: string, found: Findings): void {
  switch (one.type) {
    case undefined:
    case 'message':
    case 'agent_message':
      inspectParts(one.content, `${field}.content`, found);
      break;
    case 'function_call_output':
    case 'custom_tool_call_output':
      inspectParts(one.output, `${field}.output`, found);
      break;
    case 'item_reference':
      found.reference(one.id);
      break;
    case 'reasoning':
    case 'compaction':
    case 'context_compaction':
      // Without its sealed text the provider looks it up by its id.
      if (!one.encrypted_content) found.reference(one.id);
      break;
    case 'compaction_trigger':
      found.isUnlimited = true;
      break;
    case 'additional_tools':
    case 'tool_search_output':
      found.knownTools += one.tools?.length ?? 0;
      break;
    default:
      found.askOf(ITEM_TYPES, one.type, `${field}.type`);
  }
}

function inspectParts(parts: Content, field: string, found: Findings): void {
  if (!Array.isArray(parts)) return;
  for (const [index, one] of parts.entries()) {
    const at = `${field}[${index}]`;
    if (one.type === 'input_image') {
      found.image(one.image_url, `${at}.image_url`);
      found.storedFile(one.file_id, `${at}.file_id`);
    } else if (one.type === 'input_file') {
      found.document(one.file_data, `${at}.file_data`);
      found.storedFile(one.file_id, `${at}.file_id`);
      found.remote(one.file_url, `${at}.file_url`);
    }
  }
}

/** Anthropic's Messages API. Source: the types of its TypeScript client, `MessageCreateParams`. */
import type { HostedTool } from '@holdfast/protocol';
import { z } from 'zod';
import {
  amount,
  base64,
  flag,
  hosted,
  isGiven,
  json,
  list,
  open,
  schema,
  text,
  textOrList,
  tokens,
} from './fields.ts';
import type { Findings } from './findings.ts';

const TOOL_TYPES = {
  web_search_20250305: 'web_search',
  web_search_20260209: 'web_search',
  web_search_20260318: 'web_search',
  web_fetch_20250910: 'web_fetch',
  web_fetch_20260209: 'web_fetch',
  web_fetch_20260309: 'web_fetch',
  web_fetch_20260318: 'web_fetch',
  code_execution_20250522: 'code_execution',
  code_execution_20250825: 'code_execution',
  code_execution_20260120: 'code_execution',
  code_execution_20260521: 'code_execution',
  computer_20241022: 'computer_use',
  computer_20250124: 'computer_use',
  computer_20251124: 'computer_use',
  computer_toolset_20260801: 'computer_use',
  browser_toolset_20260801: 'computer_use',
  mcp_toolset: 'mcp',
} as const satisfies Record<string, HostedTool>;

/** What such a tool has left in the conversation. */
const BLOCK_TYPES = {
  web_search_tool_result: 'web_search',
  web_fetch_tool_result: 'web_fetch',
  code_execution_tool_result: 'code_execution',
  bash_code_execution_tool_result: 'code_execution',
  text_editor_code_execution_tool_result: 'code_execution',
  container_upload: 'code_execution',
  mcp_tool_use: 'mcp',
  mcp_tool_result: 'mcp',
} as const satisfies Record<string, HostedTool>;

const SERVER_TOOLS = {
  web_search: 'web_search',
  web_fetch: 'web_fetch',
  code_execution: 'code_execution',
  bash_code_execution: 'code_execution',
  text_editor_code_execution: 'code_execution',
} as const satisfies Record<string, HostedTool>;

/** Tools that the caller runs itself and that the model knows from its training. */
const KNOWN_TOOL_TYPES = [
  'bash_20241022',
  'bash_20250124',
  'text_editor_20241022',
  'text_editor_20250124',
  'text_editor_20250429',
  'text_editor_20250728',
  'memory_20250818',
] as const;

const cache_control = z
  .strictObject({ type: z.literal('ephemeral'), ttl: z.enum(['5m', '1h']).nullish(), scope: text })
  .nullish();
/** Only the model itself calls: code that runs at the provider does not. */
const direct = z.strictObject({ type: z.literal('direct') }).nullish();
const allowed_callers = list(z.literal('direct'));
const citations = json;

const textBlock = z.strictObject({
  type: z.literal('text'),
  text: z.string(),
  cache_control,
  citations,
});
const data = z.strictObject({ type: z.literal('base64'), media_type: text, data: base64 });
const SOURCES = [
  data,
  z.strictObject({ type: z.literal('url'), url: z.string() }),
  z.strictObject({ type: z.literal('file'), file_id: z.string() }),
] as const;
const image = z.strictObject({
  type: z.literal('image'),
  source: z.discriminatedUnion('type', SOURCES),
  transformations: z.strictObject({ oversized_image: text }).nullish(),
  cache_control,
});
const document = z.strictObject({
  type: z.literal('document'),
  source: z.discriminatedUnion('type', [
    ...SOURCES,
    z.strictObject({ type: z.literal('text'), media_type: text, data: z.string() }),
    z.strictObject({
      type: z.literal('content'),
      content: textOrList(z.discriminatedUnion('type', [textBlock, image])),
    }),
  ]),
  title: text,
  context: text,
  citations,
  cache_control,
});
const searchResult = z.strictObject({
  type: z.literal('search_result'),
  source: z.string(),
  title: text,
  content: list(textBlock),
  citations,
  cache_control,
});
const toolReference = z.strictObject({
  type: z.literal('tool_reference'),
  tool_name: z.string(),
  cache_control,
});
const result = z.discriminatedUnion('type', [
  textBlock,
  image,
  document,
  searchResult,
  toolReference,
]);

const block = z.discriminatedUnion('type', [
  textBlock,
  image,
  document,
  searchResult,
  z.strictObject({ type: z.literal('thinking'), thinking: z.string(), signature: text }),
  z.strictObject({ type: z.literal('redacted_thinking'), data: z.string() }),
  z.strictObject({
    type: z.literal('compaction'),
    content: text,
    encrypted_content: text,
    cache_control,
  }),
  z.strictObject({
    type: z.literal('tool_use'),
    id: z.string(),
    name: z.string(),
    input: json,
    caller: direct,
    cache_control,
  }),
  z.strictObject({
    type: z.literal('tool_result'),
    tool_use_id: z.string(),
    content: textOrList(result),
    is_error: flag,
    cache_control,
  }),
  // Of MCP servers there are other kinds of reference.
  z.strictObject({
    type: z.enum(['tool_addition', 'tool_removal']),
    tool: z.strictObject({ type: z.literal('tool_reference'), name: z.string() }),
    cache_control,
  }),
  open({
    type: z.literal('server_tool_use'),
    name: z.enum(Object.keys(SERVER_TOOLS) as (keyof typeof SERVER_TOOLS)[]),
  }),
  hosted(BLOCK_TYPES),
]);
type Block = z.infer<typeof block>;

const shared = {
  name: text,
  cache_control,
  strict: flag,
  defer_loading: flag,
  input_examples: json,
  allowed_callers,
};
const tool = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('custom').nullish(),
    ...shared,
    description: text,
    input_schema: schema,
    eager_input_streaming: flag,
  }),
  z.strictObject({ type: z.enum(KNOWN_TOOL_TYPES), ...shared, max_characters: amount }),
  hosted(TOOL_TYPES),
]);

const output_format = z.strictObject({ type: z.literal('json_schema'), schema }).nullish();
const display = text;

export const messagesRequest = z.strictObject({
  model: text,
  messages: list(
    z.strictObject({
      role: z.enum(['user', 'assistant', 'system']),
      content: textOrList(block),
      output_config: z.strictObject({ effort: text }).nullish(),
    }),
  ),
  system: textOrList(textBlock),
  tools: list(tool),
  tool_choice: z
    .strictObject({
      type: z.enum(['auto', 'any', 'tool', 'none']),
      name: text,
      disable_parallel_tool_use: flag,
    })
    .nullish(),
  max_tokens: tokens,
  thinking: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('enabled'), budget_tokens: tokens, display }),
      z.strictObject({ type: z.enum(['adaptive', 'disabled']), display }),
    ])
    .nullish(),
  output_config: z
    .strictObject({
      effort: text,
      format: output_format,
      task_budget: z
        .strictObject({ type: z.literal('tokens'), total: amount, remaining: amount })
        .nullish(),
    })
    .nullish(),
  output_format,
  context_management: z
    .strictObject({
      // `compact_…` has the model write a summary on top of what `max_tokens` allows.
      edits: list(
        z.discriminatedUnion('type', [
          z.strictObject({
            type: z.literal('clear_tool_uses_20250919'),
            trigger: json,
            keep: json,
            clear_at_least: json,
            clear_tool_inputs: json,
            exclude_tools: json,
          }),
          z.strictObject({ type: z.literal('clear_thinking_20251015'), keep: json }),
        ]),
      ),
    })
    .nullish(),
  mcp_servers: list(open({})),
  container: json,
  cache_control,
  diagnostics: json,
  metadata: z.strictObject({ user_id: text }).nullish(),
  // Others cost more.
  service_tier: z.enum(['auto', 'standard_only']).nullish(),
  speed: z.literal('standard').nullish(),
  inference_geo: z.literal('global').nullish(),
  stop_sequences: list(z.string()),
  stream: flag,
  temperature: amount,
  top_p: amount,
  top_k: amount,
});

export function inspectMessages(body: z.infer<typeof messagesRequest>, found: Findings): void {
  if (body.mcp_servers?.length) found.ask('mcp', 'mcp_servers');
  if (isGiven(body.container)) found.ask('code_execution', 'container');
  for (const [index, { type }] of (body.tools ?? []).entries()) {
    if (typeof type !== 'string' || type === 'custom') continue;
    if (Object.hasOwn(TOOL_TYPES, type)) found.askOf(TOOL_TYPES, type, `tools[${index}].type`);
    else found.knownTools += 1;
  }
  for (const [index, { content }] of (body.messages ?? []).entries()) {
    if (Array.isArray(content)) inspectBlocks(content, `messages[${index}].content`, found);
  }
}

type Inner = Block | z.infer<typeof result>;

function inspectBlocks(blocks: readonly Inner[], field: string, found: Findings): void {
  for (const [index, one] of blocks.entries()) {
    const at = `${field}[${index}]`;
    if (one.type === 'server_tool_use') found.askOf(SERVER_TOOLS, one.name, `${at}.name`);
    else if (one.type === 'image' || one.type === 'document') inspectSource(one, at, found);
    else if (one.type === 'tool_result') {
      if (Array.isArray(one.content)) inspectBlocks(one.content, `${at}.content`, found);
    } else found.askOf(BLOCK_TYPES, one.type, `${at}.type`);
  }
}

type Sourced = z.infer<typeof image> | z.infer<typeof document>;

function inspectSource({ type, source }: Sourced, field: string, found: Findings): void {
  const at = `${field}.source`;
  if (source.type === 'url') found.remote(source.url, `${at}.url`);
  else if (source.type === 'file') found.storedFile(source.file_id, `${at}.file_id`);
  else if (source.type === 'base64') {
    if (type === 'image') found.images += 1;
    else found.isUnsized = true;
  } else if (source.type === 'content' && Array.isArray(source.content)) {
    inspectBlocks(source.content, `${at}.content`, found);
  }
}

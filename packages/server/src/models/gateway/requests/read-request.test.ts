/**
 * Requests as the agents sent them, in the versions that their adapters name: what they say is cut
 * to `x`, and of what is shaped alike one is left.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { TextProtocol } from '../../text-upstream.ts';
import { readRequest } from './read-request.ts';

const AGENTS: readonly [string, TextProtocol][] = [
  ['builtin', 'responses'],
  ['codex', 'responses'],
  ['codex-older-model', 'responses'],
  ['claude-code', 'messages'],
  ['gemini-cli', 'gemini'],
];

describe('a request of', () => {
  it.each(AGENTS)('%s is understood as a whole, and asks for no hosted tool', (name, protocol) => {
    const file = new URL(`fixtures/${name}.json`, import.meta.url);
    const sent: unknown = JSON.parse(readFileSync(file, 'utf8'));
    const { body, hosted } = readRequest(protocol, sent);
    expect(body).toEqual(sent);
    expect([...hosted]).toEqual([]);
  });
});

const ELSEWHERE = 'https://elsewhere.example/';
const messages = (...content: object[]) => ({ messages: [{ role: 'user', content }] });
const parts = (...given: object[]) => ({ contents: [{ role: 'user', parts: given }] });
const tools = (...given: object[]) => ({ tools: given });
const mcp = { type: 'mcp', server_label: 's', server_url: ELSEWHERE };

const FOREIGN = { properties: { a: { anyOf: [{}, { $ref: `${ELSEWHERE}s.json#/a` }] } } };
/** Wherever a schema may stand. */
const SCHEMAS: readonly [string, TextProtocol, (schema: object) => object][] = [
  [
    'tools[0].parameters',
    'responses',
    parameters => tools({ type: 'function', name: 'f', parameters }),
  ],
  [
    'tools[0].output_schema',
    'responses',
    output_schema => tools({ type: 'function', name: 'f', output_schema }),
  ],
  [
    'tools[0].parameters',
    'responses',
    parameters => tools({ type: 'tool_search', execution: 'client', parameters }),
  ],
  [
    'text.format.schema',
    'responses',
    schema => ({ text: { format: { type: 'json_schema', name: 'n', schema } } }),
  ],
  [
    'tools[0].function.parameters',
    'chat',
    parameters => tools({ type: 'function', function: { name: 'f', parameters } }),
  ],
  ['functions[0].parameters', 'chat', parameters => ({ functions: [{ name: 'f', parameters }] })],
  [
    'response_format.json_schema.schema',
    'chat',
    schema => ({ response_format: { type: 'json_schema', json_schema: { name: 'n', schema } } }),
  ],
  ['tools[0].input_schema', 'messages', input_schema => tools({ name: 't', input_schema })],
  [
    'output_config.format.schema',
    'messages',
    schema => ({ output_config: { format: { type: 'json_schema', schema } } }),
  ],
  ...['parameters', 'parametersJsonSchema', 'response', 'responseJsonSchema'].map(
    (name): (typeof SCHEMAS)[number] => [
      `tools[0].functionDeclarations[0].${name}`,
      'gemini',
      schema => tools({ functionDeclarations: [{ name: 'f', [name]: schema }] }),
    ],
  ),
  ...['responseSchema', 'responseJsonSchema'].map((name): (typeof SCHEMAS)[number] => [
    `generationConfig.${name}`,
    'gemini',
    schema => ({ generationConfig: { [name]: schema } }),
  ]),
];

/** Fields, tools and types that the gateway does not know, with what the error names. */
const UNKNOWN: readonly [string, TextProtocol, object][] = [
  ['prompt', 'responses', { prompt: { id: 'pmpt_1' } }],
  ['background', 'responses', { background: true }],
  ['context_management', 'responses', { context_management: [{ type: 'compaction' }] }],
  ['moderation', 'responses', { moderation: { model: 'm' } }],
  ['reasoning.mode', 'responses', { reasoning: { mode: 'pro' } }],
  ['service_tier', 'responses', { service_tier: 'priority' }],
  ['service_tier', 'chat', { service_tier: 'fast' }],
  ['tools[0].type', 'responses', tools({ type: 'programmatic_tool_calling' })],
  [
    'tools[0].environment.type',
    'responses',
    tools({ type: 'shell', environment: { type: 'container_auto' } }),
  ],
  ['tools[0].environment', 'responses', tools({ type: 'shell' })],
  [
    'tools[0].environment.skills[0].type',
    'responses',
    tools({
      type: 'shell',
      environment: {
        type: 'local',
        skills: [{ type: 'skill_reference', name: 'n', description: 'd', path: 'p' }],
      },
    }),
  ],
  ...SCHEMAS.map(([at, protocol, body]): [string, TextProtocol, object] => [
    `${at}.properties.a.anyOf[1].$ref`,
    protocol,
    body(FOREIGN),
  ]),
  ['tools[0].execution', 'responses', tools({ type: 'tool_search', execution: 'server' })],
  ['tools[0].tools[0].type', 'responses', tools({ type: 'namespace', name: 'n', tools: [mcp] })],
  [
    'input[0].tools[0].type',
    'responses',
    { input: [{ type: 'additional_tools', role: 'developer', tools: [mcp] }] },
  ],
  [
    'input[0].tools[0].type',
    'responses',
    { input: [{ type: 'tool_search_output', execution: 'client', tools: [mcp] }] },
  ],
  [
    'tool_choice',
    'responses',
    { tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'mcp' }] } },
  ],
  ['modalities[0]', 'chat', { modalities: ['audio'] }],
  ['audio', 'chat', { audio: { voice: 'v', format: 'wav' } }],
  ['prediction', 'chat', { prediction: { type: 'content', content: 'x' } }],
  ['best_of', 'chat', { best_of: 20 }],
  ['messages[0].content[0].type', 'chat', messages({ type: 'input_audio', input_audio: {} })],
  ['fallbacks', 'messages', { fallbacks: [{ model: 'claude-opus-4-5' }] }],
  ['fallback_credit_token', 'messages', { fallback_credit_token: 't' }],
  ['speed', 'messages', { speed: 'fast' }],
  ['inference_geo', 'messages', { inference_geo: 'us' }],
  ['service_tier', 'messages', { service_tier: 'priority' }],
  ['tools[0].type', 'messages', tools({ type: 'advisor_20260301', name: 'advisor', model: 'm' })],
  ['tools[0].type', 'messages', tools({ type: 'tool_search_tool_regex_20251119', name: 't' })],
  [
    'tools[0].allowed_callers[0]',
    'messages',
    tools({ name: 't', allowed_callers: ['code_execution_20250825'] }),
  ],
  [
    'context_management.edits[0].type',
    'messages',
    { context_management: { edits: [{ type: 'compact_20260112' }] } },
  ],
  [
    'messages[0].content[0].tool.type',
    'messages',
    messages({ type: 'tool_addition', tool: { type: 'mcp_toolset_reference', server_name: 's' } }),
  ],
  ['cachedContents', 'gemini', { cachedContents: 'c' }],
  ['serviceTier', 'gemini', { serviceTier: 'priority' }],
  ['tools[0].retrieval', 'gemini', tools({ retrieval: {} })],
  ['generationConfig.speechConfig', 'gemini', { generationConfig: { speechConfig: {} } }],
  [
    'generationConfig.responseModalities[0]',
    'gemini',
    { generationConfig: { responseModalities: ['IMAGE'] } },
  ],
  [
    'contents[0].parts[0].inlineData.mimeType',
    'gemini',
    parts({ inlineData: { mimeType: 'video/mp4', data: '' } }),
  ],
  [
    'messages[0].content[0].source.data',
    'messages',
    messages({ type: 'image', source: { type: 'base64', data: ELSEWHERE } }),
  ],
  [
    'contents[0].parts[0].inlineData.data',
    'gemini',
    parts({ inlineData: { mimeType: 'image/png', data: ELSEWHERE } }),
  ],
  // Google reads both spellings of a name.
  ['generation_config', 'gemini', { generation_config: { max_output_tokens: 1 } }],
  ['tools[0].google_search', 'gemini', tools({ google_search: {} })],
  ['contents[0].parts[0].file_data', 'gemini', parts({ file_data: { file_uri: ELSEWHERE } })],
];

describe('what a model answered', () => {
  const words = { type: 'output_text', text: 'x', annotations: [], logprobs: [] };
  const said = {
    id: 'm',
    type: 'message',
    status: 'completed',
    role: 'assistant',
    content: [words],
  };
  const called = { id: 'f', type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' };
  const completion = {
    role: 'assistant',
    content: null,
    refusal: null,
    annotations: [],
    audio: null,
    tool_calls: [{ index: 0, id: 'c', type: 'function', function: { name: 'f', arguments: '' } }],
  };
  const use = { type: 'tool_use', id: 't', name: 'n', input: {}, caller: { type: 'direct' } };

  it.each([
    [
      'responses',
      { input: [said, { ...called, status: 'completed', caller: { type: 'direct' } }] },
    ],
    ['responses', { input: [{ id: 'r', type: 'reasoning', summary: [], encrypted_content: 'e' }] }],
    ['chat', { messages: [completion] }],
    ['messages', messages({ type: 'text', text: 'x', citations: null }, use)],
    ['messages', messages({ type: 'thinking', thinking: '', signature: 's' })],
    ['gemini', parts({ text: '', thought: true, thoughtSignature: 's' })],
    ['gemini', parts({ functionCall: { name: 'f', args: {} }, thoughtSignature: 's' })],
  ] satisfies [TextProtocol, object][])('of %s may be sent back: %j', (protocol, body) => {
    expect(readRequest(protocol, body).body).toEqual(body);
  });
});

describe('a hosted tool', () => {
  it.each([
    ['responses', tools({ type: 'web_search', Type: 'mcp' })],
    ['responses', tools({ type: 'web_search', 'type ': 'mcp' })],
    ['responses', { input: [{ type: 'web_search_call', TYPE: 'mcp_call' }] }],
    ['messages', tools({ type: 'web_search_20250305', tYpe: 'mcp_toolset' })],
    ['messages', messages({ type: 'server_tool_use', name: 'web_search', Name: 'web_fetch' })],
  ] satisfies [TextProtocol, object][])(
    'of %s with a second type is refused: %j',
    (protocol, body) => {
      expect(() => readRequest(protocol, body)).toThrow(/keys that differ in case only/);
    },
  );
});

describe('what the gateway does not know', () => {
  it.each(UNKNOWN)('%s of %s is refused by name', (field, protocol, body) => {
    const refusal = expect(() => readRequest(protocol, body));
    refusal.toThrow(expect.objectContaining({ code: 'invalid_request', field }));
  });
});

describe('a schema', () => {
  it.each(SCHEMAS)('at %s of %s may refer to its own parts', (_, protocol, body) => {
    const properties = { a: { $ref: '#/$defs/a' }, $ref: { type: 'string' }, b: { $ref: '#' } };
    const $schema = 'http://json-schema.org/draft-07/schema#';
    const given = body({ $schema, properties, $defs: { a: {} } });
    expect(readRequest(protocol, given).body).toEqual(given);
  });

  it.each(['file:///etc/passwd', '//elsewhere.example/s', 's.json', ''])(
    'that refers to %j is refused',
    $ref => {
      const given = tools({ name: 't', input_schema: { $id: ELSEWHERE, $ref } });
      const refusal = expect(() => readRequest('messages', given));
      refusal.toThrow(/^tools\[0\]\.input_schema\.\$ref: .*begin with #/);
    },
  );
});

describe('a request', () => {
  it.each<TextProtocol>(['responses', 'chat', 'messages', 'gemini'])(
    'of %s may leave everything out, or have null for it',
    protocol => {
      expect(readRequest(protocol, {}).body).toEqual({});
      const field = protocol === 'gemini' ? 'contents' : 'tools';
      expect(readRequest(protocol, { [field]: null }).body).toEqual({ [field]: null });
    },
  );

  it('says briefly which field is wrong', () => {
    const value = {
      messages: [{ role: 'user', content: [{ type: 'text', ['y'.repeat(999)]: 1 }] }],
    };
    const refusal = () => readRequest('messages', value);
    expect(refusal).toThrow(/^messages\[0\]\.content\[0\]\.(text|y+…): The model gateway does not/);
  });
});

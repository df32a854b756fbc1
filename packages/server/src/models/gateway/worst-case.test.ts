/** What a call reserves: never less than it can cost, in whatever way its limit is written. */
import { sql } from 'kysely';
import { describe, expect, it } from 'vitest';
import { usedTokens } from '../testing/upstream.ts';
import { useGateway } from '../testing/world.ts';

const world = useGateway();

const RESPONSES = '/model/openai/v1/responses';
const CHAT = '/model/openai/v1/chat/completions';
const MESSAGES = '/model/anthropic/v1/messages';
const GEMINI = '/model/gemini/v1beta/models/gemini:generateContent';
/** Dollars a token, and what the test's catalogue has for each model. */
const INPUT_USD = 1 / 1e6;
const OUTPUT_USD = 10 / 1e6;
const MODEL_MAX_TOKENS = 10_000;
const CONTEXT_TOKENS = 1_000_000;
const IMAGE_TOKENS = 50_000;
const TOOLS_TEXT_TOKENS = 1_000;

/** `holdfast-output-limit` of the last answer. */
let limitHeader: string | null;

/** Status, and the reservation in tokens of output, besides `inputTokens` and the body's bytes. */
async function reserved(path: string, body: string, inputTokens = 0) {
  const run = await world.host.newRun();
  const headers = { authorization: `Bearer ${run.token}` };
  const answer = await world.host.request(path, { method: 'POST', body, headers });
  const text = await answer.text();
  limitHeader = answer.headers.get('holdfast-output-limit');
  const { rows } = await sql<{ usd: number }>`
    select reserved_usd as usd from reservations where run_id = ${run.id}`.execute(
    world.database.db,
  );
  if (answer.status !== 200) return { status: answer.status, text, calls: rows.length };
  const bytes = Buffer.byteLength(world.upstream.seen.at(-1)!.body);
  const input = Math.min(bytes + inputTokens, CONTEXT_TOKENS);
  const tokens = Math.round((rows[0]!.usd - input * INPUT_USD) / OUTPUT_USD);
  return { status: 200, tokens };
}

describe('output is reserved as', () => {
  it.each([
    ['the limit', RESPONSES, '{"model":"coder","max_output_tokens":7}', 7],
    ['the model’s most, without one', RESPONSES, '{"model":"coder"}', MODEL_MAX_TOKENS],
    [
      'the model’s most, for null',
      RESPONSES,
      '{"model":"coder","max_output_tokens":null}',
      MODEL_MAX_TOKENS,
    ],
    ['the model’s most, for zero', MESSAGES, '{"model":"claude","max_tokens":0}', MODEL_MAX_TOKENS],
    [
      'the model’s most, for more',
      MESSAGES,
      '{"model":"claude","max_tokens":50000}',
      MODEL_MAX_TOKENS,
    ],
    [
      'the model’s most, for a compaction',
      RESPONSES,
      '{"model":"coder","max_output_tokens":7,"input":[{"type":"compaction\\u005ftrigger"}]}',
      MODEL_MAX_TOKENS,
    ],
    ['an escaped limit', MESSAGES, '{"model":"claude","max\\u005ftokens":5000}', 5_000],
    ['the last of two', MESSAGES, '{"model":"claude","max_tokens":1,"max_tokens":9000}', 9_000],
    [
      'the last of two, one escaped',
      MESSAGES,
      '{"model":"claude","max_tokens":1,"max\\u005ftokens":9000}',
      9_000,
    ],
    ['one in exponents', CHAT, '{"model":"coder","max_tokens":9e3}', 9_000],
    ['the older limit of a chat', CHAT, '{"model":"coder","max_tokens":70}', 70],
    [
      'the larger of a chat’s two',
      CHAT,
      '{"model":"coder","max_completion_tokens":5,"max_tokens":900}',
      900,
    ],
    [
      'the larger of a chat’s two, turned',
      CHAT,
      '{"model":"coder","max_completion_tokens":900,"max_tokens":5}',
      900,
    ],
    ['one for each answer', CHAT, '{"model":"coder","max_tokens":70,"n":5}', 350],
    ['one for each answer, escaped', CHAT, '{"model":"coder","max_tokens":70,"\\u006e":5}', 350],
    [
      'thought that is a part of it',
      MESSAGES,
      '{"model":"claude","max_tokens":50,"thinking":{"type":"enabled","budget_tokens":40}}',
      50,
    ],
    [
      'thought that is beside it',
      MESSAGES,
      '{"model":"claude","max_tokens":50,"thinking":{"type":"enabled","budget_tokens":400}}',
      450,
    ],
    ['the limit of Gemini', GEMINI, '{"generationConfig":{"maxOutputTokens":7}}', 7],
    [
      'one for each candidate',
      GEMINI,
      '{"generationConfig":{"maxOutputTokens":7,"candidateCount":3}}',
      21,
    ],
    [
      'thought of Gemini beside it',
      GEMINI,
      '{"generationConfig":{"maxOutputTokens":7,"thinkingConfig":{"thinkingBudget":70}}}',
      77,
    ],
    [
      'dynamic thought of Gemini',
      GEMINI,
      '{"generationConfig":{"maxOutputTokens":7,"thinkingConfig":{"thinkingBudget":-1}}}',
      7,
    ],
  ])('%s', async (_, path, body, tokens) => {
    expect(await reserved(path, body)).toEqual({ status: 200, tokens });
  });

  it.each([
    [CHAT, 'max_tokens'],
    [CHAT, 'max_completion_tokens'],
    [CHAT, 'n'],
    [RESPONSES, 'max_output_tokens'],
    [MESSAGES, 'max_tokens'],
  ])('nothing, for a %s whose %s is no whole number within bounds', async (path, name) => {
    const model = path === MESSAGES ? 'claude' : 'coder';
    for (const value of ['1e9', '1.5', '-1', '"5"', '[5]', '{}', 'true', '1e400']) {
      const body = `{"model":"${model}","${name}":${value}}`;
      const answer = await reserved(path, body);
      expect([value, answer]).toEqual([
        value,
        { status: 400, text: expect.stringContaining(name), calls: 0 },
      ]);
    }
    expect(world.upstream.seen).toEqual([]);
  });

  it.each(['maxOutputTokens', 'candidateCount'])(
    'nothing, for Gemini’s %s likewise',
    async name => {
      for (const value of ['1e9', '1.5', '-1', '"5"']) {
        const answer = await reserved(GEMINI, `{"generationConfig":{"${name}":${value}}}`);
        expect(answer).toMatchObject({ status: 400, calls: 0 });
      }
      expect(world.upstream.seen).toEqual([]);
    },
  );
});

describe('a limit above the model’s most', () => {
  it.each([
    [RESPONSES, '{"model":"coder","max_output_tokens":10001}', 'max_output_tokens'],
    [
      CHAT,
      '{"model":"coder","max_completion_tokens":10001,"max_tokens":7}',
      'max_completion_tokens',
    ],
    [CHAT, '{"model":"coder","max_completion_tokens":7,"max_tokens":10001}', 'max_tokens'],
    [MESSAGES, '{"model":"claude","max_tokens":10001}', 'max_tokens'],
    [GEMINI, '{"generationConfig":{"topK":1,"maxOutputTokens":10001}}', 'maxOutputTokens'],
  ])('%s %s is sent as that, which the answer tells', async (path, body, name) => {
    expect(await reserved(path, body)).toEqual({ status: 200, tokens: MODEL_MAX_TOKENS });
    const sent = JSON.parse(world.upstream.seen[0]!.body);
    const given = JSON.parse(body);
    const [was, is] =
      path === GEMINI ? [given.generationConfig, sent.generationConfig] : [given, sent];
    expect(is).toEqual({ ...was, ...(was.model && { model: is.model }), [name]: MODEL_MAX_TOKENS });
    expect(limitHeader).toBe(String(MODEL_MAX_TOKENS));
  });

  it('is no limit at the model’s most', async () => {
    await reserved(MESSAGES, '{"model":"claude","max_tokens":10000}');
    expect(limitHeader).toBeNull();
  });
});

describe('input is reserved as', () => {
  const image = '{"type":"input_image","image_url":"data:image/png;base64,AA=="}';
  const pdf = '{"type":"input_file","file_data":"data:application/pdf;base64,AA=="}';
  const said = (content: string) =>
    `{"model":"coder","max_output_tokens":7,"input":[{"role":"user","content":[${content}]}]}`;
  const asked = (item: string) => `{"model":"coder","max_output_tokens":7,"input":[${item}]}`;
  const claude = (content: string) =>
    `{"model":"claude","max_tokens":7,"messages":[{"role":"user","content":[${content}]}]}`;
  const google = (part: string) =>
    `{"generationConfig":{"maxOutputTokens":7},"contents":[{"parts":[${part}]}]}`;
  const paper = '{"mimeType":"application/pdf","data":"AA=="}';
  const source = (type: string) =>
    `{"type":"${type}","source":{"type":"base64","media_type":"x","data":"AA=="}}`;

  it.each([
    ['its bytes', RESPONSES, '{"model":"coder","max_output_tokens":7,"input":"日本"}', 0],
    ['the dearest image for each image', RESPONSES, said(`${image},${image}`), 2 * IMAGE_TOKENS],
    ['the whole context, for a document', RESPONSES, said(pdf), CONTEXT_TOKENS],
    ['an image of Messages', MESSAGES, claude(source('image')), IMAGE_TOKENS],
    ['a document of Messages', MESSAGES, claude(source('document')), CONTEXT_TOKENS],
    [
      'a document in a result',
      MESSAGES,
      claude(`{"type":"tool_result","tool_use_id":"t","content":[${source('document')}]}`),
      CONTEXT_TOKENS,
    ],
    [
      'an image of Gemini',
      GEMINI,
      google('{"inlineData":{"mimeType":"image/png","data":"AA=="}}'),
      IMAGE_TOKENS,
    ],
    [
      'a document of Gemini',
      GEMINI,
      google(`{"functionResponse":{"parts":[{"inlineData":${paper}}]}}`),
      CONTEXT_TOKENS,
    ],
    [
      'what is cached at Google',
      GEMINI,
      '{"generationConfig":{"maxOutputTokens":7},"cached\\u0043ontent":"c"}',
      CONTEXT_TOKENS,
    ],
    [
      'an earlier response',
      RESPONSES,
      '{"model":"coder","max_output_tokens":7,"previous_response\\u005fid":"r"}',
      CONTEXT_TOKENS,
    ],
    [
      'a conversation',
      RESPONSES,
      '{"model":"coder","max_output_tokens":7,"conversation":{"id":"c"}}',
      CONTEXT_TOKENS,
    ],
    [
      'an item that is stored',
      RESPONSES,
      '{"model":"coder","max_output_tokens":7,"input":[{"type":"item\\u005freference","id":"i"}]}',
      CONTEXT_TOKENS,
    ],
    [
      'reasoning that is stored',
      RESPONSES,
      asked('{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":""}'),
      CONTEXT_TOKENS,
    ],
    [
      'a compaction that is stored',
      RESPONSES,
      asked('{"type":"compaction","id":"cmp_1"}'),
      CONTEXT_TOKENS,
    ],
    [
      'its bytes, for reasoning that is sent whole',
      RESPONSES,
      asked('{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"e"}'),
      0,
    ],
    [
      'words about tools',
      MESSAGES,
      '{"model":"claude","max_tokens":7,"tools":[{"name":"a"},{"name":"b"}]}',
      TOOLS_TEXT_TOKENS,
    ],
    [
      'words about each known tool',
      MESSAGES,
      '{"model":"claude","max_tokens":7,"tools":[{"type":"bash_20250124","name":"bash"}]}',
      2 * TOOLS_TEXT_TOKENS,
    ],
  ])('%s', async (_, path, body, tokens) => {
    expect(await reserved(path, body, tokens)).toEqual({ status: 200, tokens: 7 });
  });
});

it('a call that cost more than it reserved is logged', async () => {
  world.upstream.answer = response => response.end(usedTokens(1, MODEL_MAX_TOKENS));
  await reserved(RESPONSES, '{"model":"coder","max_output_tokens":7}');
  await expect.poll(() => world.host.telemetry.text()).toContain('model.over_reservation');
});

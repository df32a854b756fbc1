/**
 * Requests with keys and types in other case, escaped, given twice, in other spellings: what is
 * sent means to the most lenient provider no more than what was found in it and is reserved.
 * `FUZZ_REQUESTS` of them, from a seed that is shown and taken from `SEED`.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseCatalogue } from '../catalogue.ts';
import { createModels } from '../models.ts';
import type { TextProtocol } from '../text-upstream.ts';
import type { ModelCallRoute } from './paths.ts';
import { type PreparedCall, prepare } from './prepare.ts';

const SEED = Number(process.env.SEED ?? Date.now() % 2 ** 31);
const RUNS = Number(process.env.FUZZ_REQUESTS ?? 10_000);
const MODEL_MAX_TOKENS = 2_000;
const ELSEWHERE = 'https://elsewhere.example/';

const auth = { auth: 'none', url: 'http://127.0.0.1:9' } as const;
const limits = { max_output_tokens: MODEL_MAX_TOKENS };
const models = createModels({
  catalogue: parseCatalogue({
    default: 'coder',
    endpoints: {
      openai: { provider: 'compatible', ...auth },
      anthropic: { provider: 'anthropic', ...auth },
      gemini: { provider: 'gemini', ...auth },
    },
    models: [
      { id: 'coder', endpoint: 'openai', protocols: ['responses', 'chat'], ...limits },
      { id: 'claude', endpoint: 'anthropic', protocols: ['messages'], ...limits },
      { id: 'gemini', endpoint: 'gemini', protocols: ['gemini'], ...limits },
    ],
  }),
  credentials: { secret: async () => undefined },
});

/** A name as JSON, in one of the spellings that some parser takes for it. */
function spelled(name: string): fc.Arbitrary<string> {
  const escaped = `\\u${name.charCodeAt(0).toString(16).padStart(4, '0')}${name.slice(1)}`;
  const camel = name.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase());
  const other = [escaped, camel, name.toUpperCase(), `${name} `, name.replaceAll('_', '')];
  const as = (text: string) => ({ arbitrary: fc.constant(`"${text}"`), weight: 1 });
  return fc.oneof({ arbitrary: fc.constant(`"${name}"`), weight: 60 }, ...other.map(as));
}
const oneOf = (...names: string[]) => fc.oneof(...names.map(spelled));
const member = (name: fc.Arbitrary<string>, value: fc.Arbitrary<string>) =>
  fc.tuple(name, value).map(([key, text]) => `${key}:${text}`);
const object = (...members: fc.Arbitrary<string>[]) =>
  fc.tuple(...members).map(given => `{${given.join(',')}}`);
const list = (item: fc.Arbitrary<string>) =>
  fc.array(item, { maxLength: 2 }).map(items => `[${items.join(',')}]`);

const number = fc.constantFrom('1', '7', '900', '2000', '9e2', '5000', '1e9', '1.5', '-1', '"7"');
const url = fc.constantFrom(`"${ELSEWHERE}"`, '"data:image/png;base64,AA=="');
const type = (...names: string[]) => member(spelled('type'), oneOf(...names));
const kind = (name: string, ...rest: fc.Arbitrary<string>[]) => object(type(name), ...rest);
const name = member(spelled('name'), fc.constant('"f"'));
const text = member(spelled('text'), fc.constant('"x"'));
const at = (key: string) => object(member(spelled(key), url));
const said = (content: string, ...parts: fc.Arbitrary<string>[]) => {
  const role = member(spelled('role'), fc.constant('"user"'));
  return list(object(role, member(spelled(content), list(fc.oneof(...parts)))));
};
const source = object(type('base64', 'url'), member(oneOf('url', 'data'), url));
const config = object(member(oneOf('maxOutputTokens', 'candidateCount'), number));

/** For each protocol: its members, besides members of the others. */
const MEMBERS: Readonly<Record<TextProtocol, fc.Arbitrary<string>[]>> = {
  responses: [
    member(spelled('max_output_tokens'), number),
    member(
      spelled('tools'),
      list(fc.oneof(kind('function', name), kind('mcp'), object(type('web_search'), type('mcp')))),
    ),
    member(
      spelled('input'),
      said(
        'content',
        kind('input_text', text),
        kind('input_image', member(spelled('image_url'), url)),
        kind('input_file', member(oneOf('file_url', 'file_data'), url)),
      ),
    ),
  ],
  chat: [
    member(oneOf('max_tokens', 'max_completion_tokens', 'n'), number),
    member(
      spelled('messages'),
      said(
        'content',
        kind('text', text),
        kind('image_url', member(spelled('image_url'), at('url'))),
      ),
    ),
  ],
  messages: [
    member(spelled('max_tokens'), number),
    member(spelled('tools'), list(fc.oneof(object(name), kind('web_search_20250305')))),
    member(spelled('mcp_servers'), list(at('url'))),
    member(
      spelled('messages'),
      said(
        'content',
        kind('text', text),
        object(type('image', 'document'), member(spelled('source'), source)),
      ),
    ),
  ],
  gemini: [
    member(spelled('generationConfig'), config),
    member(
      spelled('tools'),
      list(object(member(oneOf('googleSearch', 'urlContext', 'codeExecution'), fc.constant('{}')))),
    ),
    member(
      spelled('contents'),
      said('parts', object(text), object(member(spelled('fileData'), at('fileUri')))),
    ),
  ],
};
const strange = member(fc.constant('"__proto__"'), fc.constant('{"max_tokens":5000}'));

const MODEL_OF = { responses: 'coder', chat: 'coder', messages: 'claude', gemini: 'gemini' };
const request = fc.constantFrom(...(Object.keys(MEMBERS) as TextProtocol[])).chain(protocol => {
  const others = fc.oneof(strange, ...Object.values(MEMBERS).flat());
  const own = { arbitrary: fc.oneof(...MEMBERS[protocol]), weight: 20 };
  const members = fc.array(fc.oneof(own, { arbitrary: others, weight: 1 }), { maxLength: 4 });
  const route = { kind: 'call', metered: true, protocol, model: MODEL_OF[protocol] } as const;
  return members.map(given => ({ route, body: `{${given.join(',')}}` }));
});

type Json = Record<string, unknown>;
const folded = (name: string) => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');

/** As a parser reads it that folds case and separators; throws where two keys become one. */
function lenient(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(lenient);
  if (typeof value !== 'object' || value === null) return value;
  const read: Json = {};
  for (const [key, one] of Object.entries(value)) {
    if (Object.hasOwn(read, folded(key))) throw new Error(`two keys become ${folded(key)}`);
    read[folded(key)] = lenient(one);
  }
  return read;
}

const HOSTED = ['mcp', 'websearch', 'codeinterpreter', 'websearch20250305', 'imagegeneration'];
const HOSTED_KEYS = ['googlesearch', 'urlcontext', 'codeexecution', 'mcpservers'];

const isEmptyList = (value: unknown) => Array.isArray(value) && value.length === 0;

/** Whether something in it has the provider do more than run the model. */
function reachesOut(value: unknown): boolean {
  if (typeof value === 'string') return value.includes(ELSEWHERE);
  if (typeof value !== 'object' || value === null) return false;
  const { type: kind } = value as Json;
  if (typeof kind === 'string' && HOSTED.includes(folded(kind))) return true;
  if (HOSTED_KEYS.some(key => Object.hasOwn(value, key) && !isEmptyList((value as Json)[key]))) {
    return true;
  }
  return Object.values(value).some(reachesOut);
}

/** The most tokens of output that any of its limits allows. */
function allowedTokens(read: Json): number {
  const config = (read.generationconfig ?? {}) as Json;
  const given = { ...read, ...config };
  const names = ['maxtokens', 'maxcompletiontokens', 'maxoutputtokens'];
  const found = names.flatMap(name => (Object.hasOwn(given, name) ? [Number(given[name])] : []));
  const answers = Number(given.n ?? given.candidatecount ?? 1);
  return Math.max(...(found.length > 0 ? found : [MODEL_MAX_TOKENS])) * answers;
}

async function prepared(route: ModelCallRoute, text: string): Promise<PreparedCall | undefined> {
  try {
    return await prepare(models, route, Buffer.from(text));
  } catch (error) {
    expect(error).toMatchObject({ code: 'invalid_request' });
    return undefined;
  }
}

it(`holds for ${RUNS} requests (SEED=${SEED})`, async () => {
  const tally = { refused: 0, sent: 0, hosted: 0 };
  const property = fc.asyncProperty(request, async ({ route, body }) => {
    const ready = await prepared(route, body);
    if (ready === undefined) {
      tally.refused += 1;
      return;
    }
    const sent = ready.body.toString();
    const value: unknown = JSON.parse(sent);
    // No key twice: a parser that takes the first reads what one reads that takes the last.
    expect(JSON.stringify(value)).toBe(sent);
    const read = lenient(value) as Json;
    if (reachesOut(read)) expect([...ready.hosted]).not.toEqual([]);
    const { maxOutputTokens = MODEL_MAX_TOKENS, answers } = ready.worstCase;
    const reserved = Math.min(maxOutputTokens, MODEL_MAX_TOKENS) * answers;
    expect(allowedTokens(read)).toBeLessThanOrEqual(reserved);
    tally[ready.hosted.size > 0 ? 'hosted' : 'sent'] += 1;
  });
  await fc.assert(property, { seed: SEED, numRuns: RUNS });
  for (const count of Object.values(tally)) expect(count).toBeGreaterThan(RUNS / 20);
});

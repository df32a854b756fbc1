/** Who may call, and what of a call reaches the provider, and of its answer the caller. */
import { ReadableStream } from 'node:stream/web';
import { sql } from 'kysely';
import { describe, expect, it } from 'vitest';
import { CATALOGUE_KEY } from '../testing/host.ts';
import { usedTokens } from '../testing/upstream.ts';
import { useGateway } from '../testing/world.ts';
import { RUN_TOKEN_TTL_MAX_MS } from './run-tokens.ts';

const world = useGateway();

const RESPONSES = '/model/openai/v1/responses';
const MESSAGES = '/model/anthropic/v1/messages';
const GEMINI = '/model/gemini/v1beta/models/gemini-x:generateContent';
const ASKED = { model: 'coder', input: 'x' };
const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  world.host.request(path, { method: 'POST', body: JSON.stringify(body), headers });
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe('denied', () => {
  const unknown = `rt_${'A'.repeat(43)}`;

  it.each([
    ['a request without credentials', {}],
    ['an unknown token', bearer(unknown)],
    ['a malformed token', bearer('rt_x')],
    ['an API key of ours', bearer(`hf_${'A'.repeat(43)}`)],
    ['a provider’s key', { 'x-api-key': 'sk-ant-1' }],
  ])('%s on a run’s socket', async (_, headers) => {
    const { id } = await world.host.newRun();
    const answer = await world.host.overSocket(id, RESPONSES, { headers, body: ASKED });
    expect(answer.status).toBe(401);
    expect(JSON.parse(answer.text).error.code).toBe('invalid_api_key');
    expect(world.upstream.seen).toEqual([]);
  });

  it("another run's token on this run's socket", async () => {
    const [mine, other] = [await world.host.newRun(), await world.host.newRun()];
    const asked = (token: string) =>
      world.host.overSocket(mine.id, RESPONSES, { headers: bearer(token), body: ASKED });
    expect((await asked(other.token)).status).toBe(401);
    expect((await asked(mine.token)).status).toBe(200);
  });

  it('an expired and a revoked token', async () => {
    const [expired, revoked] = [await world.host.newRun(), await world.host.newRun()];
    await sql`update run_tokens set expires_at = now() where run_id = ${expired.id}`.execute(
      world.database.db,
    );
    await world.database.transaction(trx => world.host.gateway.revokeRunTokens(trx, revoked.id));
    for (const { token } of [expired, revoked]) {
      expect((await post(RESPONSES, ASKED, bearer(token))).status).toBe(401);
    }
    expect(world.upstream.seen).toEqual([]);
  });

  it('a token that is revoked while the body of its call is awaited', async () => {
    const { id, token } = await world.host.newRun();
    const known = async () => {
      const models = '/model/openai/v1/models';
      return (await world.host.request(models, { headers: bearer(token) })).status;
    };
    async function* late() {
      yield JSON.stringify(ASKED).slice(0, 5);
      // Asked later, so the call was let in when this is answered.
      expect(await known()).toBe(200);
      await world.database.transaction(trx => world.host.gateway.revokeRunTokens(trx, id));
      yield JSON.stringify(ASKED).slice(5);
    }
    const init = { method: 'POST', body: ReadableStream.from(late()), duplex: 'half' };
    const headers = bearer(token);
    const answer = await world.host.request(RESPONSES, { ...init, headers } as RequestInit);
    expect(answer.status).toBe(401);
    expect(world.upstream.seen).toEqual([]);
  });

  it('an unknown token on the HTTP server, in each protocol’s own words', async () => {
    const headers = bearer(unknown);
    const openai = await (await post(RESPONSES, ASKED, headers)).json();
    expect(openai).toMatchObject({ error: { type: 'invalid_request_error' } });
    const anthropic = await (await post(MESSAGES, {}, headers)).json();
    expect(anthropic).toMatchObject({ type: 'error', error: { type: 'authentication_error' } });
    const google = await (await post(GEMINI, {}, headers)).json();
    expect(google).toMatchObject({ error: { code: 401, status: 'UNAUTHENTICATED' } });
  });

  it('a Viewer, but not a Developer', async () => {
    const as = (caller: string) =>
      world.host.request(RESPONSES, { method: 'POST', body: JSON.stringify(ASKED), caller });
    expect((await as('Viewer:user:vic')).status).toBe(403);
    expect((await as('Developer:user:dev')).status).toBe(200);
  });

  it.each([
    '/v1/budgets',
    '/model/openai/v1/files',
    '/model/openai/v1/../../../v1/budgets',
    '/model/gemini/v1beta/models/gemini-x:batchDelete',
    '/model/gemini/v1beta/models/gemini-x:constructor',
    '//elsewhere/model',
    'http://elsewhere/model/openai/v1/files',
  ])('%s on a run’s socket is no route', async path => {
    const run = await world.host.newRun();
    const answer = await world.host.overSocket(run.id, path, {
      headers: bearer(run.token),
      body: ASKED,
    });
    expect(answer.status).toBe(404);
    expect(world.upstream.seen).toEqual([]);
  });

  it('an expired token is gone when the next one is issued', async () => {
    const { id } = await world.host.newRun();
    const left = async () => {
      const { rows } = await sql`select from run_tokens where run_id = ${id}`.execute(
        world.database.db,
      );
      return rows.length;
    };
    await sql`update run_tokens set expires_at = now() where run_id = ${id}`.execute(
      world.database.db,
    );
    expect(await left()).toBe(1);
    await world.host.newRun();
    expect(await left()).toBe(0);
  });

  it('a token that would live for ever', async () => {
    const run = { id: 'run_x', projectId: 'default', owner: 'user:ann' };
    const issue = (ttlMs: number) =>
      world.database.transaction(trx => world.host.gateway.issueRunToken(trx, run, ttlMs));
    await expect(issue(RUN_TOKEN_TTL_MAX_MS + 1)).rejects.toThrow(RangeError);
    await expect(issue(0)).rejects.toThrow(RangeError);
  });

  it('and a token is stored as a hash only', async () => {
    const { token } = await world.host.newRun();
    const { rows } = await sql<{
      text: string;
    }>`select run_tokens::text as text from run_tokens`.execute(world.database.db);
    expect(rows.map(row => row.text).join('\n')).not.toContain(token.slice(3));
  });
});

describe('what reaches the provider', () => {
  it.each([
    ['authorization', RESPONSES, (token: string) => bearer(token)],
    ['x-api-key', MESSAGES, (token: string) => ({ 'x-api-key': token })],
    ['x-goog-api-key', GEMINI, (token: string) => ({ 'x-goog-api-key': token })],
  ])('the real key in %s, and nothing of the caller', async (name, path, headersOf) => {
    const run = await world.host.newRun();
    const headers = {
      ...headersOf(run.token),
      cookie: 'holdfast=secret',
      'x-forwarded-for': '10.0.0.1',
      'openai-organization': 'org-1',
      'anthropic-version': '2023-06-01',
    };
    const body = path === GEMINI ? {} : { model: path === MESSAGES ? 'claude' : 'coder' };
    const answer = await world.host.overSocket(run.id, path, { headers, body });
    expect(answer.status).toBe(200);
    const [seen] = world.upstream.seen;
    const key = name === 'authorization' ? `Bearer ${CATALOGUE_KEY}` : CATALOGUE_KEY;
    expect(seen!.headers[name]).toBe(key);
    expect(seen!.headers['anthropic-version']).toBe('2023-06-01');
    const text = JSON.stringify(seen);
    for (const hidden of [run.token, 'holdfast=secret', '10.0.0.1', 'org-1']) {
      expect(text).not.toContain(hidden);
    }
  });

  it('the query that the protocol knows, without a key in it', async () => {
    const run = await world.host.newRun();
    const body = { model: 'claude', max_tokens: 5 };
    const path = `${MESSAGES}?beta=true&key=${run.token}&other=1`;
    expect((await world.host.overSocket(run.id, path, { body })).status).toBe(200);
    const generate = GEMINI.replace('generateContent', 'streamGenerateContent');
    await world.host.overSocket(run.id, `${generate}?alt=sse&key=${run.token}`, { body: {} });
    expect(world.upstream.seen.map(one => one.path)).toEqual([
      '/v1/messages?beta=true',
      '/v1beta/models/gemini:streamGenerateContent?alt=sse',
    ]);
  });

  it('the deployment’s name, and every field that was asked for', async () => {
    const run = await world.host.newRun();
    const body = { model: 'gpt-9', input: [{ role: 'user', content: '日本' }], metadata: { a: 1 } };
    await post(RESPONSES, body, bearer(run.token));
    expect(JSON.parse(world.upstream.seen[0]!.body)).toEqual({ ...body, model: 'deployed-coder' });
  });

  it('the request as it was understood, whatever its spelling', async () => {
    const run = await world.host.newRun();
    const body = '{ "model":  "claude",\n "max\\u005ftokens": 5e0, "max_tokens": 6 }';
    const headers = bearer(run.token);
    await world.host.request(MESSAGES, { method: 'POST', body, headers });
    expect(world.upstream.seen[0]!.body).toBe('{"model":"claude","max_tokens":6}');
  });

  it('a streamed chat with its usage asked for, besides what the caller asked', async () => {
    const run = await world.host.newRun();
    const stream_options = { include_obfuscation: false };
    const body = { model: 'coder', messages: [], stream: true, stream_options };
    await post('/model/openai/v1/chat/completions', body, bearer(run.token));
    expect(JSON.parse(world.upstream.seen[0]!.body)).toMatchObject({
      stream_options: { include_obfuscation: false, include_usage: true },
    });
  });
});

describe('what reaches the caller', () => {
  it('the bytes as they came, without headers about our account', async () => {
    const bytes = `event: x\r\ndata: {"a" : 1}\r\n\r\n: odd\n\ndata: ${usedTokens(1, 1)}\n\n`;
    world.upstream.answer = response => {
      response.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'set-cookie': 'a=b',
        'openai-organization': 'org-ours',
      });
      response.write(bytes.slice(0, 20));
      response.end(bytes.slice(20));
    };
    const run = await world.host.newRun();
    const answer = await post(RESPONSES, { ...ASKED, stream: true }, bearer(run.token));
    expect(await answer.text()).toBe(bytes);
    expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(answer.headers.get('x-request-id')).toMatch(/^req_/);
    const names = [...answer.headers.keys()];
    expect(names).not.toContain('set-cookie');
    expect(names).not.toContain('openai-organization');
  });

  it('no key and no token in the log', async () => {
    const run = await world.host.newRun();
    await post(`${RESPONSES}?key=${run.token}`, ASKED, bearer(run.token));
    expect(world.host.telemetry.text()).toContain('model.called');
    expect(world.host.telemetry.text()).not.toContain(run.token.slice(3));
    expect(world.host.telemetry.text()).not.toContain(CATALOGUE_KEY);
  });

  it.each([
    ['no JSON', 'x', 400],
    ['no object', '[]', 400],
    ['no model', '{}', 400],
    ['too deep', `{"model":"coder","input":${'['.repeat(200)}${']'.repeat(200)}}`, 400],
    ['31 MB of arrays', `{"model":"coder","input":[[]${',[]'.repeat(31e6 / 3)}]}`, 400],
  ])('a clear error for %s', async (_, body, status) => {
    const run = await world.host.newRun();
    const answer = await world.host.request(RESPONSES, {
      method: 'POST',
      body,
      headers: bearer(run.token),
    });
    expect(answer.status).toBe(status);
    expect(world.upstream.seen).toEqual([]);
  });
});

import { afterEach, describe, expect, it } from 'vitest';
import { ApiError } from './api-error.ts';
import { Http } from './http.ts';
import {
  type Answer,
  HASTY,
  sendJson,
  sendProblem,
  startServer,
  type TestServer,
} from './testing/server.ts';

let server: TestServer;
afterEach(() => server.close());

async function serve(answer: Answer, options = {}): Promise<Http> {
  server = await startServer(answer);
  return new Http({ baseUrl: `${server.url}/`, retry: HASTY, ...options });
}

async function refusal(promise: Promise<unknown>): Promise<ApiError> {
  const error = await promise.then(
    () => null,
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
}

describe('Http', () => {
  it('tries a GET again three times and no more', async () => {
    const http = await serve((_, response) =>
      sendProblem(response, { status: 503, code: 'unavailable' }),
    );
    expect(await refusal(http.json('/v1/me'))).toMatchObject({ code: 'unavailable', status: 503 });
    expect(server.asked).toHaveLength(4);
  });

  it('gives the answer as soon as a try succeeds', async () => {
    const http = await serve((_, response) =>
      server.asked.length < 3
        ? sendProblem(response, { status: 429, code: 'rate_limited' }, { 'retry-after': '0' })
        : sendJson(response, { id: 'local' }),
    );
    expect(await http.json('/v1/me')).toEqual({ id: 'local' });
    expect(server.asked).toHaveLength(3);
  });

  it('never tries a POST, a DELETE or a refused GET again', async () => {
    const http = await serve((asked, response) =>
      sendProblem(response, {
        status: asked.method === 'GET' ? 404 : 503,
        code: asked.method === 'GET' ? 'not_found' : 'unavailable',
      }),
    );
    await refusal(http.json('/a', { method: 'POST', json: {} }));
    await refusal(http.json('/b', { method: 'DELETE' }));
    expect(await refusal(http.json('/c'))).toMatchObject({ code: 'not_found', requestId: 'req_1' });
    expect(server.asked.map(asked => asked.method)).toEqual(['POST', 'DELETE', 'GET']);
  });

  it('tries again after a connection that broke', async () => {
    const http = await serve((_, response) =>
      server.asked.length === 1 ? void response.destroy() : sendJson(response, 1),
    );
    expect(await http.json('/v1/me')).toBe(1);
  });

  it('fails as `timeout` or `network` when no answer comes', async () => {
    const http = await serve(() => undefined, { timeoutMs: 40, retry: { ...HASTY, retries: 0 } });
    expect(await refusal(http.json('/slow'))).toMatchObject({ code: 'timeout', status: 0 });
    await server.close();
    expect(await refusal(http.json('/away'))).toMatchObject({ code: 'network' });
    server = await startServer(() => undefined);
  });

  it("rejects with the caller's own reason when aborted", async () => {
    const http = await serve(() => undefined);
    const abort = new AbortController();
    const asking = http.json('/slow', { signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(asking).rejects.toThrow('enough');
  });

  it('sends a fresh bearer token each time, and none where a cookie authenticates', async () => {
    const http = await serve((_, response) => sendJson(response, {}));
    let n = 0;
    const bearer = http.as({ kind: 'bearer', token: async () => `hf_${++n}` });
    await http.json('/a');
    await bearer.json('/b');
    await bearer.json('/c');
    await http.as({ kind: 'bearer', token: 'hf_fixed' }).json('/d');
    expect(server.asked.map(asked => asked.headers.authorization)).toEqual([
      undefined,
      'Bearer hf_1',
      'Bearer hf_2',
      'Bearer hf_fixed',
    ]);
  });

  it('leaves out undefined query fields and takes an empty answer', async () => {
    const http = await serve((_, response) => void response.writeHead(204).end());
    expect(await http.json('/list', { query: { a: 1, b: undefined, c: 'x y' } })).toBeUndefined();
    expect(server.asked[0]?.url).toBe('/list?a=1&c=x+y');
  });
});

import { describe, expect, it } from 'vitest';
import { errorFromAnswer, networkError } from './api-error.ts';

const answer = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  errorFromAnswer({
    status,
    body: typeof body === 'string' ? body : JSON.stringify(body),
    header: name => headers[name] ?? null,
  });

describe('errorFromAnswer', () => {
  it('reads problem+json with its request id, field and allowed values', () => {
    const error = answer(400, {
      code: 'unknown_model',
      detail: 'There is no such model.',
      request_id: 'req_7',
      field: 'model',
      allowed: ['gpt-realtime'],
    });
    expect(error).toMatchObject({
      code: 'unknown_model',
      status: 400,
      message: 'There is no such model.',
      requestId: 'req_7',
      field: 'model',
      allowed: ['gpt-realtime'],
      transient: false,
    });
  });

  it("reads OpenAI's error object and takes the request id from the header", () => {
    const error = answer(
      429,
      { error: { message: 'Slow down.', type: 'x', code: 'session_limit', param: 'model' } },
      { 'x-request-id': 'req_8', 'retry-after': '2' },
    );
    expect(error).toMatchObject({
      code: 'session_limit',
      message: 'Slow down.',
      requestId: 'req_8',
      field: 'model',
      retryAfterMs: 2000,
      transient: true,
    });
  });

  it('makes sense of what a proxy in between answers', () => {
    expect(answer(502, '<html>Bad gateway</html>')).toMatchObject({
      code: 'upstream_unreachable',
      requestId: null,
      transient: true,
    });
    expect(answer(418, '[]')).toMatchObject({ code: 'invalid_request', transient: false });
    expect(answer(599, '')).toMatchObject({ code: 'internal' });
  });

  it('bounds the prose, and reads a date as time to wait', () => {
    const until = new Date(Date.now() + 60_000).toUTCString();
    const error = answer(503, { detail: 'x'.repeat(5000) }, { 'retry-after': until });
    expect(error.message).toHaveLength(2000);
    expect(error.retryAfterMs).toBeGreaterThan(50_000);
    expect(answer(503, '', { 'retry-after': 'soon' }).retryAfterMs).toBeUndefined();
  });
});

describe('networkError', () => {
  it('tells a timeout from a server that is away', () => {
    expect(networkError(new DOMException('', 'TimeoutError')).code).toBe('timeout');
    expect(networkError(new TypeError('fetch failed'))).toMatchObject({
      code: 'network',
      status: 0,
      transient: true,
    });
  });
});

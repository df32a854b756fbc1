import { connect } from 'node:net';
import multipart from '@fastify/multipart';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { faultOf } from './fault.ts';
import { createTestServer, eventually, exchange, type TestServer } from './testing.ts';

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function start(): Promise<TestServer> {
  server = await createTestServer();
  await server.http.app.register(async app => {
    await app.register(multipart, { limits: { fields: 1, files: 1, parts: 2, fileSize: 10 } });
    app.post('/upload', { config: { policy: 'open' } }, async request => {
      for await (const part of request.parts()) if (part.type === 'file') await part.toBuffer();
      return {};
    });
  });
  return server;
}

const TYPE = { 'content-type': 'multipart/form-data; boundary=b' };
const field = (name: string) =>
  `--b\r\ncontent-disposition: form-data; name="${name}"\r\n\r\nx\r\n`;
const file = (text: string) =>
  `--b\r\ncontent-disposition: form-data; name="f"; filename="f"\r\n\r\n${text}\r\n`;

describe('faults of multipart bodies', () => {
  it.each([
    ['torn in a field', TYPE, field('a').slice(0, -4), 400],
    ['torn in a file', TYPE, file('x').slice(0, -3), 400],
    ['without an end', TYPE, field('a'), 400],
    ['without a boundary', { 'content-type': 'multipart/form-data' }, field('a'), 400],
    ['of another type', { 'content-type': 'application/json' }, '{}', 415],
    ['with too many fields', TYPE, `${field('a')}${field('b')}--b--\r\n`, 413],
    ['with too many files', TYPE, `${file('a')}${file('b')}--b--\r\n`, 413],
    ['with a file that is too large', TYPE, `${file('x'.repeat(11))}--b--\r\n`, 413],
    ['with a name of the prototype', TYPE, `${field('__proto__')}--b--\r\n`, 400],
    ['as they should be', TYPE, `${field('a')}${file('x'.repeat(10))}--b--\r\n`, 200],
  ])('%s', async (_name, headers, payload, status) => {
    const { http } = await start();
    const answer = await http.app.inject({ method: 'POST', url: '/upload', headers, payload });
    expect(answer.statusCode).toBe(status);
  });

  it('of clients that disconnect are not internal errors', async () => {
    const { listen, lines } = await start();
    const port = await listen();
    const head = [
      'POST /upload HTTP/1.1\r\nhost: x\r\ncontent-length: 9999',
      `content-type: ${TYPE['content-type']}\r\n\r\n`,
    ].join('\r\n');
    const socket = connect(port, '127.0.0.1');
    await new Promise<void>(resolve => socket.write(head + file('x'), () => resolve()));
    await exchange(port, 'GET /none HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
    socket.resetAndDestroy();
    await eventually(() => lines().some(line => line.route === '/upload'));
    expect(lines().find(line => line.route === '/upload')).toMatchObject({ status: 499 });
    expect(lines().filter(line => line.level === 'error')).toEqual([]);
  });
});

describe('faults', () => {
  it('of schemas that a handler checks itself name the field', () => {
    const thrown = z.object({ a: z.object({ b: z.enum(['x', 'y']) }) }).safeParse({ a: { b: 1 } });
    expect(faultOf(thrown.error)).toMatchObject({
      code: 'invalid_request',
      field: 'a.b',
      allowed: ['x', 'y'],
    });
  });

  it('of anything else are internal, with the cause kept for the log', () => {
    for (const thrown of [new Error('x'), 'x', undefined, null, { code: 'ECONNRESET' }]) {
      const fault = faultOf(thrown);
      expect([fault.code, fault.detail]).toEqual(['internal', 'Internal error.']);
      expect(fault.cause).toBe(thrown);
    }
    const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
    expect(faultOf(reset).code).toBe('internal');
  });
});

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished, vi } from 'vitest';
import { openTestHost, openTestProxy, type TestHost, type TestProxy } from './testing.ts';

function trusting(host: { port: number }, entry = '127.0.0.1'): Promise<TestProxy> {
  const authority = `${entry}:${host.port}`;
  return openTestProxy({ hosts: [authority], privateHosts: ['127.0.0.1', 'name.test'] });
}

const closing = 'Connection: close';
const got = (host: TestHost) => host.requests[0]!;

it('passes a request on without the headers for the proxy', async () => {
  const host = await openTestHost();
  const { ask } = await trusting(host);
  const answer = await ask(
    `GET http://127.0.0.1:${host.port}/a/../b?c=d HTTP/1.1`,
    'Host: other.test',
    'Proxy-Authorization: Basic c2VjcmV0',
    'Proxy-Connection: keep-alive',
    'Connection: close, X-Hop',
    'X-Hop: 1',
    'Keep-Alive: timeout=5',
    'TE: trailers',
    'Upgrade: h2c',
    'X-Kept: 1',
    'X-Kept: 2',
  );
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(answer.endsWith('reached\r\n0\r\n\r\n') || answer.endsWith('reached')).toBe(true);
  expect(got(host).url).toBe('/a/../b?c=d');
  expect(got(host).headersDistinct).toEqual({
    host: [`127.0.0.1:${host.port}`],
    'x-kept': ['1', '2'],
    connection: ['close'],
  });
});

it('passes bodies with their framing', async () => {
  const bodies: string[] = [];
  const host = await openTestHost(async (request, response) => {
    bodies.push(await text(request));
    response.setHeader('connection', 'x-private').setHeader('x-private', '1');
    response.setHeader('proxy-authenticate', 'Basic').end(bodies.at(-1));
  });
  const { ask } = await trusting(host);
  const url = `http://127.0.0.1:${host.port}/`;
  const length = await ask(
    `POST ${url} HTTP/1.1`,
    closing,
    'Host: h',
    'Content-Length: 4',
    '\r\nbody',
  );
  const chunked = ['Transfer-Encoding: chunked', '\r\n4\r\nbody\r\n0'];
  // A method that mostly has no body: were its framing lost, the body would be a request.
  await ask(`GET ${url} HTTP/1.1`, closing, 'Host: h', ...chunked);
  await ask(`POST ${url} HTTP/1.1`, closing, 'Host: h', ...chunked);
  expect(bodies).toEqual(['body', 'body', 'body']);
  expect(length).not.toMatch(/x-private|proxy-authenticate/i);
  expect(host.requests).toHaveLength(3);
});

it('carries a tunnel both ways, and each side may end first', async () => {
  const server = createServer({ allowHalfOpen: true }, async socket => {
    socket.write('hello ');
    socket.end(`you sent ${await text(socket)}`);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const { tunnel, telemetry } = await trusting({ port });
  const { socket, head } = await tunnel(`127.0.0.1:${port}`);
  expect(head).toMatch(/^HTTP\/1\.1 200 Connection Established\r\n\r\n/);
  const rest = text(socket);
  socket.end('x'.repeat(1_000_000));
  const all = head.split('\r\n\r\n')[1] + (await rest);
  expect(all).toBe(`hello you sent ${'x'.repeat(1_000_000)}`);
  await vi.waitFor(async () => {
    const bytes = await telemetry.metric('holdfast_sandbox_outbound_bytes_total');
    expect(bytes).toBe(2_000_000 + 'hello you sent '.length);
  });
  expect(telemetry.events()).toEqual([]);
});

it('connects to the addresses of a name, by suffix too', async () => {
  const host = await openTestHost();
  const resolve = vi.fn(async () => ['127.0.0.1']);
  const { ask } = await openTestProxy({
    hosts: [`*.name.test:${host.port}`],
    privateHosts: [`deep.in.name.test:${host.port}`],
    resolve,
  });
  const answer = await ask(
    `GET http://Deep.in.NAME.test.:${host.port} HTTP/1.1`,
    'Host: h',
    closing,
  );
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  expect(got(host).headers.host).toBe(`deep.in.name.test:${host.port}`);
  expect(resolve).toHaveBeenCalledExactlyOnceWith('deep.in.name.test');
});

it('reports an unreachable host', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  const { ask, telemetry } = await trusting({ port });
  const answer = await ask(`CONNECT 127.0.0.1:${port} HTTP/1.1`, 'Host: h');
  expect(answer).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n/);
  expect(answer).toContain('error=connection_refused');
  expect(telemetry.events()).toEqual([]);
});

it('ends every connection when it is closed', async () => {
  const host = await openTestHost(() => {});
  const { ask, tunnel, proxy } = await trusting(host);
  const authority = `127.0.0.1:${host.port}`;
  const { socket } = await tunnel(authority);
  const ended = once(socket.resume(), 'close');
  socket.end();
  const asked = ask(`GET http://${authority}/ HTTP/1.1`, 'Host: h');
  await vi.waitFor(() => expect(host.requests).toHaveLength(1));
  await proxy.close();
  await Promise.all([ended, asked]);
  await expect(tunnel(authority)).rejects.toThrow('ECONNREFUSED');
});

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { ArgumentError, readArguments } from './arguments.ts';

const SCRIPT = fileURLToPath(new URL('../client.ts', import.meta.url));
const HELD = JSON.stringify({
  type: 'holdfast.session',
  session: { id: 'ses_1', revision: 'blue', replica: 'rep_1', resume_token: null },
});

/** A small server that runs a test's handler for each connection. */
async function serve(onSocket: (socket: WebSocket, count: number) => void, autoPong = true) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', autoPong });
  const authorizations: (string | undefined)[] = [];
  let count = 0;
  server.on('connection', (socket, request) => {
    authorizations.push(request.headers.authorization);
    count += 1;
    onSocket(socket, count);
  });
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`, authorizations };
}

function client(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise(resolve => {
    const env = { ...process.env, CLIENT_KEY: 'hf_from-the-environment' };
    execFile(process.execPath, [SCRIPT, ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

const SHORT = ['--duration', '0.5', '--ping-interval', '0.1'];

describe('verdict', () => {
  it('is a pass when all live, and names the revision from the stream', async () => {
    const { url, authorizations } = await serve(socket => {
      socket.send(JSON.stringify({ type: 'session.created' }));
      socket.send(HELD);
      socket.send(Buffer.alloc(100));
    });
    const { code, stdout } = await client(url, '--connections', '3', ...SHORT);
    expect(stdout).toContain('Revisions: blue (3)');
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('PASS: 3 of 3 connections lived');
    expect(stdout).toMatch(/^1 +blue +\d+ ms +0\.\d s +3 +\d+ +[3-9]\/[3-9] +\d+ ms +1000 +ok$/m);
    expect(code).toBe(0);
    expect(authorizations).toEqual(Array(3).fill('Bearer hf_from-the-environment'));
  });

  it('is a fail when the server closes one, with the close code', async () => {
    const { url } = await serve((socket, count) => {
      if (count === 2) socket.close(1012, 'drain');
    });
    const { code, stdout } = await client(url, '--connections', '2', ...SHORT);
    expect(stdout).toContain('FAIL: 1 of 2 connections lived');
    expect(stdout).toMatch(/1012 +closed by the server: 1012 drain/);
    expect(code).toBe(1);
  });

  it('is a fail when a ping is not answered', async () => {
    const { url } = await serve(() => {}, false);
    const { code, stdout } = await client(url, ...SHORT);
    expect(stdout).toContain('a ping was not answered before the next was due');
    expect(stdout).toMatch(/ 0\/1 /);
    expect(code).toBe(1);
  });

  it('does not take a stray pong for an answer', async () => {
    const { url } = await serve(socket => socket.on('ping', () => socket.pong('other')), false);
    const { code, stdout } = await client(url, ...SHORT);
    expect(stdout).toMatch(/ 0\/1 /);
    expect(code).toBe(1);
  });

  it('is a fail when the upgrade is refused', async () => {
    const server = createServer((_request, response) => response.writeHead(401).end());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const { code, stdout } = await client(`ws://127.0.0.1:${port}/ws`, ...SHORT);
    expect(stdout).toContain('refused with HTTP 401');
    expect(code).toBe(1);
  });

  it('ends early when no connection is left', async () => {
    const { url } = await serve(socket => socket.terminate());
    const { code } = await client(url, '--duration', '300');
    expect(code).toBe(1);
  });
});

describe('arguments', () => {
  it('have defaults', () => {
    expect(readArguments(['ws://h/ws'], {})).toEqual({
      url: new URL('ws://h/ws'),
      connections: 1,
      durationMs: 300_000,
      pingIntervalMs: 30_000,
      key: undefined,
      insecure: false,
    });
  });

  it.each([
    [[], /URL is missing/],
    [['http://h'], /Not a ws/],
    [['ws://h', 'ws://i'], /Unexpected argument: ws:\/\/i/],
    [['ws://h', '--connections', '0'], /--connections: expected .* got "0"/],
    [['ws://h', '--connections', '1.5'], /--connections/],
    [['ws://h', '--connections', '10001'], /--connections/],
    [['ws://h', '--duration', 'long'], /--duration: expected .* got "long"/],
    [['ws://h', '--ping-interval', '1e9'], /--ping-interval/],
    [['ws://h', '--conections', '5'], /--conections/],
  ])('%j are refused with a reason', (args, reason) => {
    expect(() => readArguments(args, {})).toThrow(ArgumentError);
    expect(() => readArguments(args, {})).toThrow(reason);
  });

  it('wrong ones end with 2 and the help, --help with 0', async () => {
    const wrong = await client('--nonsense');
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain('Usage:');
    const help = await client('--help');
    expect([help.code, help.stdout.includes('--ping-interval')]).toEqual([0, true]);
  });
});

/**
 * Revocation: what is open on a right ends within 5 s of the right, whichever process holds
 * it and whichever process revoked the right.
 */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import type { Session } from '@holdfast/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { UPLOAD_TYPE, uploadBody } from './harness/owned-things.ts';
import { signIn } from './harness/runs.ts';
import { type Server, type Stack, startStack } from './harness/stacks.ts';
import { offerCall } from './harness/webrtc.ts';

const END_WITHIN_MS = 5_000;

let stack: Stack;
let here: Server;
let there: Server;
let admin: string;
beforeAll(async () => {
  stack = await startStack('two replicas');
  [here, there] = stack.servers as [Server, Server];
  admin = (await newKey('Admin', await signIn(here))).key;
});
afterAll(() => stack?.stop());

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function newKey(role: string, headers: Record<string, string> = bearer(admin)) {
  const answer = await fetch(`${here.url}/v1/api-keys`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'revocation', role }),
  });
  expect(answer.status).toBe(201);
  return (await answer.json()) as { id: string; key: string };
}

/** Revokes a key at the other process than the one that holds what it opened. */
async function revoke(id: string): Promise<void> {
  const url = `${here.url}/v1/api-keys/${id}`;
  expect((await fetch(url, { method: 'DELETE', headers: bearer(admin) })).status).toBe(204);
}

async function post<T>(path: string, token: string, json: object): Promise<T> {
  const answer = await fetch(`${there.url}${path}`, {
    method: 'POST',
    headers: { ...bearer(token), 'content-type': 'application/json' },
    body: JSON.stringify(json),
  });
  expect(answer.ok).toBe(true);
  return (await answer.json()) as T;
}

interface Voice {
  readonly id: string;
  readonly events: { type: string; error?: { code: string } }[];
  /** The code of the closing handshake. */
  readonly closed: Promise<number>;
}

async function speak(token: string): Promise<Voice> {
  const socket = new WebSocket(
    `${there.url.replace('http', 'ws')}/v1/realtime?model=gpt-realtime`,
    { headers: bearer(token) },
  );
  const events: Voice['events'] = [];
  const closed = once(socket, 'close').then(([code]) => Number(code));
  const id = await new Promise<string>((resolve, reject) => {
    socket.once('error', reject);
    socket.on('message', data => {
      const event = JSON.parse(String(data));
      events.push(event);
      if (event.type === 'holdfast.session') resolve(event.session.id);
    });
  });
  return { id, events, closed };
}

/** An open stream; `over` resolves when the server ends it. */
async function opened(query: string, headers: Record<string, string>) {
  const answer = await fetch(`${there.url}/v1/stream?${query}`, { headers });
  expect(answer.status).toBe(200);
  return { over: answer.text() };
}

async function state(id: string): Promise<Session> {
  const answer = await fetch(`${here.url}/v1/sessions/${id}`, { headers: bearer(admin) });
  return (await answer.json()) as Session;
}

async function inTime<T>(ends: Promise<T>): Promise<T> {
  const late = AbortSignal.timeout(END_WITHIN_MS);
  return await Promise.race([
    ends,
    new Promise<never>((_, reject) => {
      late.addEventListener('abort', () => reject(new Error('It is still open.')));
    }),
  ]);
}

describe('a key that is revoked at another process', () => {
  it('takes its sockets, secrets, streams, tickets and calls with it', async () => {
    const { id, key } = await newKey('Developer');
    const kept = await newKey('Developer');
    const own = await speak(key);
    const secret = await post<{ value: string }>('/v1/realtime/client_secrets', key, {
      session: { model: 'gpt-realtime' },
      holdfast: { max_sessions: 3 },
    });
    const bySecret = await speak(secret.value);
    const other = await speak(kept.key);
    const ticket = await post<{ ticket: string }>('/v1/stream/tickets', key, {
      subjects: [own.id],
    });
    const subjects = `subjects=${own.id}:0`;
    const streams = [
      await opened(subjects, bearer(key)),
      await opened(`${subjects}&ticket=${ticket.ticket}`, {}),
    ];
    // The model never answers; the call would last for minutes.
    const asked = fetch(`${there.url}/model/openai/v1/responses`, {
      method: 'POST',
      headers: { ...bearer(key), 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'gpt-5.1-codex',
        input: '[[simulate: hang]]',
        max_output_tokens: 20,
      }),
    });
    const modelCall = asked.then(
      answer => `answered ${answer.status}`,
      () => 'cut',
    );
    const call = await offerCall();
    const placed = await fetch(`${there.url}/v1/realtime/calls?model=gpt-realtime`, {
      method: 'POST',
      headers: { ...bearer(key), 'content-type': 'application/sdp' },
      body: call.sdp,
    });
    expect(placed.status).toBe(201);
    const callSession = placed.headers.get('holdfast-session')!;

    await revoke(id);
    const codes = await inTime(Promise.all([own.closed, bySecret.closed]));
    await inTime(Promise.all(streams.map(stream => stream.over)));
    expect(await inTime(modelCall)).toBe('cut');
    expect(codes).toEqual([1008, 1008]);
    expect(own.events.at(-1)?.error?.code).toBe('access_revoked');
    await expect
      .poll(() => state(callSession), { timeout: END_WITHIN_MS })
      .toMatchObject({
        state: 'ended',
        close_reason: 'access_revoked',
      });
    await call.close();
    await expect.poll(() => state(own.id)).toMatchObject({ close_reason: 'access_revoked' });
    for (const token of [key, secret.value]) {
      const models = await fetch(`${there.url}/v1/models`, { headers: bearer(token) });
      expect(models.status).toBe(401);
    }
    const again = await fetch(`${there.url}/v1/stream?${subjects}&ticket=${ticket.ticket}`);
    expect(again.status).toBe(401);
    expect((await state(other.id)).state).toBe('connected');
  });
});

interface Withheld {
  readonly route: string;
  /** Resolves when the connection is over. */
  readonly closed: Promise<unknown>;
  /** Sends the body; answers the status, or null where the connection was cut off. */
  send(): Promise<number | null>;
}

const PARTS = 'parts';
const part = (name: string, value: string) =>
  `--${PARTS}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;

/** Sends the headers of a request alone; resolves when the server waits for the body. */
async function withhold(
  key: string,
  route: string,
  what: { type?: string; body?: string | Buffer; headers?: Record<string, string> } = {},
): Promise<Withheld> {
  const { type = 'application/json', body = '{}', headers } = what;
  const [method, path] = route.split(' ') as [string, string];
  const sent = request(`${there.url}${path}`, {
    method,
    headers: {
      ...bearer(key),
      'content-type': type,
      ...headers,
      'content-length': Buffer.byteLength(body),
      expect: '100-continue',
    },
  });
  const closed = once(sent, 'close').catch(() => undefined);
  const answered = once(sent, 'response').then(
    ([answer]: IncomingMessage[]) => {
      answer!.resume();
      return answer!.statusCode!;
    },
    () => null,
  );
  sent.flushHeaders();
  await once(sent, 'continue');
  // Asked later, so when this is answered the guard has let in what was sent before.
  await (await fetch(`${there.url}/v1/me`, { headers: bearer(key) })).text();
  const send = async () => {
    sent.end(body);
    return answered;
  };
  return { route, closed, send };
}

/** Every write that a credential is needed for, as the server describes itself. */
async function writes(): Promise<string[]> {
  const { paths } = (await (await fetch(`${here.url}/openapi.json`)).json()) as {
    paths: Record<string, object>;
  };
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map(method => `${method.toUpperCase()} ${path}`),
  );
  return (
    routes
      .filter(route => !/^(GET|HEAD|OPTIONS) /.test(route))
      // Sign-in, what a provider signs, and what is refused unread unless it is a form.
      .filter(route => !/ (\/auth\/|\/v1\/realtime\/webhook$|\/audio\/upload$)/.test(route))
      .map(route => route.replaceAll(/\{\w+\}/g, 'gemini-2.5-pro:generateContent'))
  );
}

describe('a write whose body comes after its key was revoked at another process', () => {
  it('is refused on every route, whatever reads the body', async () => {
    const { id, key } = await newKey('Admin');
    const session = await speak(key);
    const withheld: Withheld[] = [];
    for (const route of await writes()) withheld.push(await withhold(key, route));
    const form = `multipart/form-data; boundary=${PARTS}`;
    const end = `--${PARTS}--\r\n`;
    const upload = { headers: { 'session-id': session.id, ...UPLOAD_TYPE } };
    withheld.push(
      await withhold(key, 'POST /audio/upload', { ...upload, body: await uploadBody() }),
    );
    for (const base of ['/v1/realtime', '/openai/v1/realtime']) {
      const body = part('sdp', 'v=0\r\nm=audio 9') + end;
      const sdp = { type: 'application/sdp', body: 'v=0\r\nm=audio 9' };
      for (const what of [{ type: form, body }, sdp]) {
        withheld.push(await withhold(key, `POST ${base}/calls?model=gpt-realtime`, what));
      }
    }
    expect(withheld.length).toBeGreaterThan(40);
    await revoke(id);
    const answers = withheld.map(async ({ route, send }) => [route, await send()]);
    // Which it is depends on whether the body or the news of the end comes first.
    const isRefused = (status: unknown) => status === 401 || status === null;
    const acted = (await Promise.all(answers)).filter(([, status]) => !isRefused(status));
    expect(acted).toEqual([]);
  });
});

describe('a body that is still coming when its key is revoked at another process', () => {
  it('is cut off, uploads too', async () => {
    const { id, key } = await newKey('Developer');
    const session = await speak(key);
    const headers = { 'session-id': session.id, ...UPLOAD_TYPE };
    const stalled = [
      await withhold(key, 'POST /audio/upload', { headers, body: await uploadBody() }),
      await withhold(key, 'POST /v1/tasks'),
      await withhold(key, 'POST /model/openai/v1/responses'),
    ];
    await revoke(id);
    await inTime(Promise.all(stalled.map(({ closed }) => closed)));
  });
});

describe('a call whose replica gave it up', () => {
  it('ends with its right at the replica that took it over', async () => {
    const { id, key } = await newKey('Developer');
    const third = await stack.addServer();
    const call = await offerCall();
    const placed = await fetch(`${third.url}/v1/realtime/calls?model=gpt-realtime`, {
      method: 'POST',
      headers: { ...bearer(key), 'content-type': 'application/sdp' },
      body: call.sdp,
    });
    expect(placed.status).toBe(201);
    const session = placed.headers.get('holdfast-session')!;
    const { replica } = await state(session);
    await third.process.stop();
    const taken = async () => (await state(session)).replica;
    await expect.poll(taken, { timeout: 30_000 }).not.toBe(replica);
    await expect.poll(taken, { timeout: 30_000 }).not.toBeNull();
    await revoke(id);
    await expect
      .poll(() => state(session), { timeout: END_WITHIN_MS })
      .toMatchObject({
        state: 'ended',
        close_reason: 'access_revoked',
      });
    await call.close();
  });
});

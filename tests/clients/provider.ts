import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';

/**
 * A provider that understands nothing and keeps everything: what a session sent, by the id of the
 * event, and the last body of each REST route. It sends what it is told to.
 */
type Json = Record<string, unknown>;

export interface RecordedSession {
  readonly path: string;
  readonly received: Map<string, Json>;
  /** In order, those without an id too. */
  readonly messages: Json[];
  send(event: Json): void;
}

export interface RecordingProvider {
  readonly url: string;
  readonly sessions: RecordedSession[];
  /** By the last part of the path. */
  readonly bodies: Map<string, unknown>;
  close(): Promise<void>;
}

const SDP =
  'v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n';

export async function startRecordingProvider(): Promise<RecordingProvider> {
  const sessions: RecordedSession[] = [];
  const bodies = new Map<string, unknown>();
  let calls = 0;
  const server: Server = createServer(async (request, response) => {
    const path = new URL(request.url ?? '/', 'http://provider').pathname;
    const verb = path.split('/').at(-1)!;
    bodies.set(verb, await bodyOf(request));
    if (verb !== 'calls') {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end('{"value":"ek_of_the_provider","expires_at":4000000000,"session":{}}');
      return;
    }
    calls += 1;
    const location = `${path}/rtc_${calls}`;
    response.writeHead(201, { 'content-type': 'application/sdp', location }).end(SDP);
  });
  const sockets = new WebSocketServer({ server, handleProtocols: () => false });
  sockets.on('connection', (socket, request) => sessions.push(record(socket, request.url ?? '')));
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sessions,
    bodies,
    async close() {
      for (const socket of sockets.clients) socket.terminate();
      await new Promise(resolve => server.close(resolve));
    },
  };
}

function record(socket: WebSocket, path: string): RecordedSession {
  const received = new Map<string, Json>();
  const messages: Json[] = [];
  const send = (event: Json) => socket.send(JSON.stringify(event));
  socket.on('message', data => {
    const event = JSON.parse(String(data)) as Json;
    messages.push(event);
    if (typeof event.event_id === 'string') received.set(event.event_id, event);
    // As every provider does; until then we hold a client that asks for a second one.
    if (event.type === 'response.create') {
      send({ type: 'response.created', event_id: `of_${event.event_id}`, response: {} });
    }
    if (event.type !== 'session.update') return;
    send({ type: 'session.updated', event_id: `of_${event.event_id}`, session: event.session });
  });
  const type = path.includes('translations') ? 'translation' : 'realtime';
  send({ type: 'session.created', event_id: 'first', session: { id: 'sess_1', type } });
  return { path, received, messages, send };
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const body = Buffer.concat(parts);
  const type = request.headers['content-type'] ?? '';
  if (type.includes('json')) return JSON.parse(body.toString() || '{}');
  if (!type.includes('form-data')) return body.toString();
  const form = await new Response(new Uint8Array(body), {
    headers: { 'content-type': type },
  }).formData();
  const fields: Json = {};
  for (const [name, value] of form) {
    const text = typeof value === 'string' ? value : await value.text();
    fields[name] = name === 'session' ? JSON.parse(text) : text;
  }
  return fields;
}

import type { AddressInfo } from 'node:net';
import { type WebSocket as ServerSocket, WebSocketServer } from 'ws';

/** A WebSocket on loopback that a test drives by hand, event by event, as a model would. */
export interface Line {
  socket: ServerSocket;
  protocols: string;
  url: string;
  received: Record<string, unknown>[];
  send(event: object): void;
  /** The next message of a type that has not been taken yet. */
  next(type: string): Promise<Record<string, unknown>>;
}

const WAIT_MS = 5000;

export async function startModelServer(options: { greet?: boolean } = {}) {
  const server = new WebSocketServer({
    port: 0,
    host: '127.0.0.1',
    handleProtocols: () => 'realtime',
  });
  const lines: Line[] = [];
  const waiting: ((line: Line) => void)[] = [];
  server.on('connection', (socket, request) => {
    const line = lineOf(socket, request.headers['sec-websocket-protocol'] ?? '', request.url ?? '');
    if (options.greet !== false) {
      line.send({ type: 'session.created', session: { id: 'sess_1' } });
      line.send({
        type: 'holdfast.session',
        session: { id: 'ses_1', revision: 'r', replica: 'a' },
      });
    }
    lines.push(line);
    for (const resolve of waiting.splice(0)) resolve(line);
  });
  await new Promise(resolve => server.once('listening', resolve));
  return {
    server,
    lines,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    line: () =>
      lines.length > 0
        ? Promise.resolve(lines[0]!)
        : new Promise<Line>(resolve => waiting.push(resolve)),
    close: async () => {
      for (const socket of server.clients) socket.terminate();
      await new Promise(resolve => server.close(resolve));
    },
  };
}

function lineOf(socket: ServerSocket, protocols: string, url: string): Line {
  const received: Record<string, unknown>[] = [];
  const taken = new Set<Record<string, unknown>>();
  const watchers = new Set<() => void>();
  socket.on('message', data => {
    received.push(JSON.parse(String(data)));
    for (const watcher of [...watchers]) watcher();
  });
  return {
    socket,
    protocols,
    url,
    received,
    send: event => socket.send(JSON.stringify(event)),
    next: type =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = received.find(event => event.type === type && !taken.has(event));
          if (!found) return;
          taken.add(found);
          clearTimeout(timer);
          watchers.delete(look);
          resolve(found);
        };
        const timer = setTimeout(() => {
          const types = received.map(event => event.type).join(', ');
          reject(new Error(`No ${type} came; received: ${types}`));
        }, WAIT_MS);
        watchers.add(look);
        look();
      }),
  };
}

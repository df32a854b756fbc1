import { once } from 'node:events';
import { WebSocket } from 'ws';

/** A realtime client for tests: keeps every event, and waits for them with a bound. */
export interface TestClient {
  readonly socket: WebSocket;
  readonly events: Record<string, unknown>[];
  send(event: Record<string, unknown>): void;
  /** The first event of that type, come or to come. */
  event(type: string): Promise<Record<string, unknown>>;
  readonly closed: Promise<{ code: number; reason: string }>;
}

const WAIT_MS = 30_000;

export interface ConnectOptions {
  readonly caller?: string;
  readonly bearer?: string;
  readonly protocols?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  /** False: it answers no ping. */
  readonly autoPong?: boolean;
}

/** Connects; rejects with the status when the handshake is refused. */
export async function connectClient(
  url: string,
  options: ConnectOptions = {},
): Promise<TestClient> {
  const socket = new WebSocket(url, [...(options.protocols ?? [])], {
    perMessageDeflate: false,
    autoPong: options.autoPong ?? true,
    headers: {
      ...options.headers,
      ...(options.caller !== undefined && { 'x-caller': options.caller }),
      ...(options.bearer !== undefined && { authorization: `Bearer ${options.bearer}` }),
    },
  });
  const events: Record<string, unknown>[] = [];
  const waiting = new Set<() => void>();
  const closed = new Promise<{ code: number; reason: string }>(resolve => {
    socket.once('close', (code, reason) => {
      resolve({ code, reason: reason.toString() });
      for (const wake of waiting) wake();
    });
  });
  socket.on('message', data => {
    events.push(JSON.parse(String(data)) as Record<string, unknown>);
    for (const wake of waiting) wake();
  });
  socket.on('error', () => {});
  const refused = once(socket, 'unexpected-response').then(async ([request, response]) => {
    let body = '';
    for await (const chunk of response) body += chunk;
    (request as { destroy(): void }).destroy();
    throw new Refusal(response.statusCode, body, response.headers);
  });
  refused.catch(() => {});
  await Promise.race([once(socket, 'open'), refused]);
  return {
    socket,
    events,
    closed,
    send: event => socket.send(JSON.stringify(event)),
    async event(type) {
      const deadline = AbortSignal.timeout(WAIT_MS);
      for (;;) {
        const found = events.find(event => event.type === type);
        if (found) return found;
        if (socket.readyState >= WebSocket.CLOSING) throw closedBefore(type, events);
        await new Promise<void>((resolve, reject) => {
          const wake = () => {
            waiting.delete(wake);
            resolve();
          };
          waiting.add(wake);
          const seen = events.map(event => event.type).join(', ');
          deadline.addEventListener('abort', () => reject(new Error(`No ${type}: ${seen}`)));
        });
      }
    },
  };
}

function closedBefore(type: string, events: readonly Record<string, unknown>[]): Error {
  const error = events.find(event => event.type === 'error')?.error;
  return new Error(`Closed before ${type}: ${JSON.stringify(error)}`);
}

/** An upgrade that was answered over HTTP. */
export class Refusal extends Error {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly headers: Record<string, string | undefined>;

  constructor(status: number, body: string, headers: Record<string, string | undefined>) {
    super(`refused with ${status}: ${body}`);
    this.status = status;
    this.body = JSON.parse(body) as Record<string, unknown>;
    this.headers = headers;
  }
}

/** Waits for something that becomes true soon. */
export async function eventually<T>(
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = WAIT_MS,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) throw new Error('It never became true.');
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

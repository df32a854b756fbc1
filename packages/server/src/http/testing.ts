/** What tests of HTTP need: real telemetry that can be read, a guard, sockets without a library. */
import { connect } from 'node:net';
import { HoldfastError } from '../kernel/index.ts';
import { createTelemetry, type Telemetry } from '../platform/telemetry/index.ts';
import type { Guard, GuardedRequest } from './guard.ts';
import { createHttpServer, type HttpServer, type HttpServerOptions } from './server.ts';

export interface CapturedTelemetry {
  readonly telemetry: Telemetry;
  /** Every log line so far, parsed. */
  lines(): Record<string, unknown>[];
}

export async function captureTelemetry(): Promise<CapturedTelemetry> {
  const lines: string[] = [];
  const telemetry = await createTelemetry({
    level: 'debug',
    format: 'json',
    serviceName: 'test',
    revision: 'test',
    replica: 'rep_test',
    sampleRatio: 1,
    destination: { write: line => void lines.push(line) },
  });
  return { telemetry, lines: () => lines.map(line => JSON.parse(line)) };
}

/** Knows the policies `open` and `closed`; `closed` requires the header `x-pass`. */
function testGuard(seen: { refused: HoldfastError[] } = { refused: [] }): Guard<string> {
  return {
    checkRoute({ url, policy }) {
      const known = policy === 'open' || policy === 'closed' || policy?.startsWith('public.');
      if (!known) throw new Error(`${url} names no policy.`);
    },
    async authenticate(request: GuardedRequest) {
      if (request.policy !== 'closed') return undefined;
      if (request.headers['x-pass'] === undefined) {
        request.setHeader('x-ratelimit-remaining', '0');
        throw new HoldfastError('unauthenticated', 'No.', { retryAfterS: 3 });
      }
      return String(request.headers['x-pass']);
    },
    refused: (_request, error) => void seen.refused.push(error),
  };
}

export interface TestServer extends CapturedTelemetry {
  readonly http: HttpServer<string>;
  readonly refused: HoldfastError[];
  /** Starts listening on a free port and answers it. */
  listen(): Promise<number>;
  close(): Promise<void>;
}

export async function createTestServer(
  options: Partial<HttpServerOptions<string>> = {},
): Promise<TestServer> {
  const captured = await captureTelemetry();
  const seen = { refused: [] as HoldfastError[] };
  const http = await createHttpServer<string>({
    guard: testGuard(seen),
    telemetry: captured.telemetry,
    api: { title: 'Test', version: '1' },
    corsOrigins: [],
    ...options,
  });
  return {
    ...captured,
    http,
    refused: seen.refused,
    listen: async () => (await http.listen({ host: '127.0.0.1', port: 0 })).port,
    async close() {
      await http.close(0);
      await captured.telemetry.close();
    },
  };
}

/**
 * Writes raw bytes and answers all that came until the peer closed, or until `until` was seen.
 * Bounded by `timeoutMs`, which rejects.
 */
export function exchange(
  port: number,
  text: string | Buffer,
  options: { until?: string; timeoutMs?: number } = {},
): Promise<string> {
  const { until, timeoutMs = 10_000 } = options;
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = connect(port, '127.0.0.1', () => void socket.write(text));
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`Neither closed nor answered: ${JSON.stringify(received)}`));
    }, timeoutMs);
    const finish = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(received);
    };
    socket.on('data', chunk => {
      received += chunk.toString('latin1');
      if (until !== undefined && received.includes(until)) finish();
    });
    socket.on('close', finish);
    socket.on('error', finish);
  });
}

/** A well-formed opening handshake; `headers` replace or, when undefined, remove ones. */
export function handshake(
  path: string,
  headers: Record<string, string | undefined> = {},
  method = 'GET',
): string {
  const all: Record<string, string | undefined> = {
    host: '127.0.0.1',
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}`],
  );
  return `${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
}

/** Waits for a condition that becomes true soon; never for time to pass. */
export async function eventually(condition: () => boolean, timeoutMs = 5_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('The condition never became true.');
    await new Promise(resolve => setImmediate(resolve));
  }
}

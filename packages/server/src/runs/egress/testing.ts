import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Server as NetServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { type RecordedTelemetry, recordTelemetry } from '../../platform/log/testing.ts';
import { createEgress, type EgressOptions, type EgressProxy } from './index.ts';

export interface TestProxy {
  readonly proxy: EgressProxy;
  readonly port: number;
  readonly telemetry: RecordedTelemetry;
  /** Sends bytes as they are; returns all bytes until the proxy ends the connection. */
  ask(...lines: string[]): Promise<string>;
  /** Opens a tunnel; returns the connection and the head of the response. */
  tunnel(authority: string): Promise<{ socket: Socket; head: string }>;
}

/** A proxy on a port of loopback; closed after the test. */
export async function openTestProxy(
  options: Partial<Omit<EgressOptions, 'telemetry'>> = {},
): Promise<TestProxy> {
  const telemetry = await recordTelemetry();
  const egress = createEgress({ hosts: [], privateHosts: [], ...options, telemetry });
  const proxy = egress.openProxy('run_test');
  const port = await listening(proxy.server);
  onTestFinished(() => proxy.close());
  const open = async () => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => {});
    onTestFinished(() => void socket.destroy());
    await once(socket, 'connect');
    return socket;
  };
  return {
    proxy,
    port,
    telemetry,
    async ask(...lines) {
      const socket = await open();
      socket.write(`${lines.join('\r\n')}\r\n\r\n`);
      return text(socket);
    },
    async tunnel(authority) {
      const socket = await open();
      socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
      const [head] = (await once(socket, 'data')) as [Buffer];
      return { socket, head: head.toString() };
    },
  };
}

export interface TestHost {
  readonly port: number;
  readonly requests: IncomingMessage[];
  /** Connections so far. */
  connections(): number;
}

/** A web server on loopback; by default it answers `reached`. */
export async function openTestHost(
  answer: (request: IncomingMessage, response: ServerResponse) => void = (_, response) =>
    response.end('reached'),
): Promise<TestHost> {
  const requests: IncomingMessage[] = [];
  let count = 0;
  const server: Server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  });
  server.on('connection', () => {
    count += 1;
  });
  const port = await listening(server);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port, requests, connections: () => count };
}

async function listening(server: NetServer): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

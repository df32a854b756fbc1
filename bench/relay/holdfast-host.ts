/**
 * The relay alone, in the smallest process that can hold it: the hot path with its taps, without
 * the server around it. Shows what the server adds. Usage: node holdfast-host.ts <upstream port>.
 * Prints its own port.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  acceptUpgrade,
  dialUpstream,
  handshakeFault,
  Relay,
  RelayTicker,
} from '../../packages/server/src/realtime/relay/index.ts';

const url = new URL(`ws://127.0.0.1:${process.argv[2]}/v1/realtime?model=gpt-realtime`);
const DIAL_TIMEOUT_MS = 10_000;
const ticker = new RelayTicker();
let events = 0;
const tap = () => {
  events++;
};

const server = createServer((_request, response) => response.end(String(events)));
server.on('upgrade', async (request, socket, head) => {
  if (handshakeFault(request) !== null) {
    socket.destroy();
    return;
  }
  const client = acceptUpgrade({ request, socket, head });
  const dialled = await dialUpstream({ url, timeoutMs: DIAL_TIMEOUT_MS });
  if (!dialled.ok) {
    socket.destroy();
    return;
  }
  const upstream = dialled.peer;
  const limits = { clientBytesPerSecond: Number.MAX_SAFE_INTEGER };
  new Relay({ client, upstream, ticker, limits, onServerEvent: tap, onClientEvent: tap }).start();
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  console.log((server.address() as AddressInfo).port);
});

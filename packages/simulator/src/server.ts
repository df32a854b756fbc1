/**
 * The simulator as a server: one HTTP listener for the provider's routes, its WebSockets and the
 * inspection routes. `close()` ends every session and connection and resolves when the port is
 * free.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { App } from './app.ts';
import { behaviourSchema } from './behaviour.ts';
import { ClientSecrets } from './client-secrets.ts';
import { type Clock, systemClock } from './clock.ts';
import { FaultBook } from './faults/rules.ts';
import { route } from './http/routes.ts';
import { Registry } from './inspect/registry.ts';
import { REQUEST_TIMEOUT_MS } from './limits.ts';
import { Random } from './random.ts';
import { parseSettings, type Settings, type SettingsInput } from './settings.ts';
import { SipCalls } from './sip/sip-calls.ts';
import { TextCounters } from './text/counters.ts';
import { createResponsesProtocol } from './text/responses.ts';
import { Calls } from './webrtc/calls.ts';
import { Upgrades } from './websocket/upgrade.ts';

export interface Simulator {
  /** `http://host:port`, without a path. */
  url: string;
  close(): Promise<void>;
}

function createApp(settings: Settings, clock: Clock): App {
  const random = new Random(settings.seed);
  const behaviour = behaviourSchema.strip().parse(settings);
  return {
    settings,
    behaviour,
    clock,
    random,
    registry: new Registry(),
    faults: new FaultBook(settings.faults),
    secrets: new ClientSecrets(random.fork('secrets')),
    calls: new Calls(),
    sipCalls: new SipCalls(),
    textCounters: new TextCounters(),
    responses: createResponsesProtocol(),
  };
}

/** Starts listening; throws `SettingsError`, or the system's error about the port. */
export async function startSimulator(
  input: SettingsInput = {},
  clock: Clock = systemClock,
): Promise<Simulator> {
  const settings = parseSettings(input);
  const app = createApp(settings, clock);
  const upgrades = new Upgrades(app);
  const sockets = new Set<Socket>();
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS, noDelay: true });
  server.on('connection', socket => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('request', (request, response) => void route(app, request, response));
  server.on('upgrade', (request, socket, head) => {
    void upgrades.handle(request, socket as Socket, head);
  });
  await listen(server, settings);
  const { port } = server.address() as AddressInfo;
  const host = settings.host.includes(':') ? `[${settings.host}]` : settings.host;
  return {
    url: `http://${host}:${port}`,
    async close() {
      app.calls.close();
      const closed = new Promise(resolve => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function listen(server: Server, { host, port }: Settings): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

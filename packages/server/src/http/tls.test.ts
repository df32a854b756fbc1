import { get } from 'node:https';
import { afterAll, beforeAll, expect, it } from 'vitest';
import WebSocket, { WebSocketServer } from 'ws';
import { createCertificate } from '../../../../tools/services/certificate.ts';
import type { GuardedRequest } from './guard.ts';
import { createTestServer, type TestServer } from './testing.ts';

let server: TestServer;
let ca: string;
let port: number;
const seen: GuardedRequest[] = [];

beforeAll(async () => {
  const { certPem, keyPem } = await createCertificate();
  ca = certPem;
  server = await createTestServer({
    tls: { cert: certPem, key: keyPem },
    guard: {
      checkRoute: () => {},
      refused: () => {},
      authenticate: async request => {
        seen.push(request);
        return 'me';
      },
    },
  });
  server.http.app.get('/x', { config: { policy: 'open' } }, async () => ({}));
  const sockets = new WebSocketServer({ noServer: true });
  server.http.upgrades.add({
    path: '/ws',
    config: { policy: 'open' },
    async handle({ request, socket, head }) {
      sockets.handleUpgrade(request, socket, head, client => client.send('hello'));
    },
  });
  port = await server.listen();
});
afterAll(() => server.close());

it('serves https and asks browsers to stay there', async () => {
  const headers = await new Promise<Record<string, unknown>>((resolve, reject) => {
    get(`https://localhost:${port}/x`, { ca }, answer => {
      answer.resume();
      resolve(answer.headers);
    }).on('error', reject);
  });
  expect(headers['strict-transport-security']).toContain('max-age=31536000');
  expect(seen.at(-1)).toMatchObject({ secure: true, kind: 'http' });
});

it('serves wss', async () => {
  const client = new WebSocket(`wss://localhost:${port}/ws`, { ca });
  const text = await new Promise(resolve => client.on('message', data => resolve(String(data))));
  expect(text).toBe('hello');
  expect(seen.at(-1)).toMatchObject({ secure: true, kind: 'upgrade' });
  client.terminate();
});

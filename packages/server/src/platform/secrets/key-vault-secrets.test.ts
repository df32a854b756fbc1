import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createCertificate } from '../../../../../tools/services/certificate.ts';
import { createKeyVaultSecrets } from './key-vault-secrets.ts';
import type { SecretSource } from './secrets.ts';

/**
 * A vault as its REST reference describes it: it challenges a request without a token, answers
 * `GET /secrets/{name}/` with a secret bundle, and 404 `SecretNotFound` otherwise.
 */
const TOKEN = 'eyJ.not-a-real-token.sig';
let server: Server;
let secrets: SecretSource;
let seen: { path: string; token: string | undefined }[];
let failing: number | undefined;

beforeAll(async () => {
  const { certPem, keyPem } = await createCertificate();
  server = createServer({ cert: certPem, key: keyPem }, (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'https://vault');
    seen.push({ path: pathname, token: request.headers.authorization });
    response.setHeader('content-type', 'application/json');
    if (request.headers.authorization !== `Bearer ${TOKEN}`) {
      const challenge =
        'Bearer authorization="https://localhost/t", resource="https://vault.azure.net"';
      response.writeHead(401, { 'www-authenticate': challenge }).end('{}');
    } else if (failing !== undefined) {
      response.writeHead(failing, { 'retry-after': '0' }).end('{"error":{"code":"Throttled"}}');
    } else if (/^\/secrets\/holdfast-master-key\/?$/.test(pathname)) {
      const id = 'https://localhost/secrets/holdfast-master-key/1';
      response.end(JSON.stringify({ value: 'the value', id, attributes: { enabled: true } }));
    } else {
      response.writeHead(404).end('{"error":{"code":"SecretNotFound","message":"none"}}');
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  secrets = createKeyVaultSecrets({
    vaultUrl: `https://localhost:${(server.address() as AddressInfo).port}`,
    credential: {
      getToken: async () => ({ token: TOKEN, expiresOnTimestamp: Date.now() + 3_600_000 }),
    },
    ca: certPem,
    verifyDomain: false,
  });
});
beforeEach(() => {
  seen = [];
  failing = undefined;
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

it('reports that the vault is away without showing the token', async () => {
  failing = 429;
  const refused = await secrets.get('HOLDFAST_MASTER_KEY').catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: 'unavailable' });
  const { cause } = refused as Error;
  expect((cause as Error).message).toMatch(/^Key Vault: RestError .*429$/);
  expect(JSON.stringify({ ...(cause as Error) })).not.toContain(TOKEN);
});

it('answers undefined for a secret that is not there', async () => {
  expect(await secrets.get('HOLDFAST_OTHER')).toBeUndefined();
});

it('reads a secret under its Key Vault name', async () => {
  expect(await secrets.get('HOLDFAST_MASTER_KEY')).toBe('the value');
  expect(seen.at(-1)?.path).toMatch(/^\/secrets\/holdfast-master-key\/?$/);
  expect(seen.at(-1)?.token).toBe(`Bearer ${TOKEN}`);
});

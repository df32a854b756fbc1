import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { BlobServiceClient, RestError } from '@azure/storage-blob';
import { describe, expect, it, onTestFinished } from 'vitest';
import { sharedAzurite } from '../../../../../tools/services/shared.ts';
import { toBlobError } from './azure-blobs.ts';
import { createLinkSigner } from './azure-links.ts';
import { openAzureBlobs } from './index.ts';

const WEBM = { contentType: 'audio/webm', maxBytes: 64 * 1024 * 1024 };

async function open() {
  const { connectionString } = await sharedAzurite();
  const container = `t${randomUUID()}`;
  const store = await openAzureBlobs({ connectionString, container });
  const service = BlobServiceClient.fromConnectionString(connectionString);
  return { store, container: service.getContainerClient(container) };
}

describe('SAS links', () => {
  it('give read access to that blob, and nothing else', async () => {
    const { store } = await open();
    await store.put('a/one.webm', Readable.from([Buffer.from('hello')]), WEBM);
    await store.put('a/two.webm', Readable.from([Buffer.from('other')]), WEBM);
    const link = await store.signedUrl('a/one.webm', 60);
    expect(await (await fetch(link)).text()).toBe('hello');
    const ranged = await fetch(link, { headers: { range: 'bytes=1-2' } });
    expect([ranged.status, await ranged.text()]).toEqual([206, 'el']);
    expect((await fetch(store.url('a/one.webm'))).status).toBeGreaterThanOrEqual(400);
    expect((await fetch(link.replace('one', 'two'))).status).toBe(403);
    expect((await fetch(link, { method: 'DELETE' })).status).toBe(403);
  });

  it('expire', async () => {
    const { store } = await open();
    await store.put('a/one.webm', Readable.from([Buffer.from('hello')]), WEBM);
    expect((await fetch(await store.signedUrl('a/one.webm', -60))).status).toBe(403);
  });
});

describe('with Entra ID', () => {
  const HOUR_S = 3600;

  /** Answers "get user delegation key" as the service documents it, and counts the calls. */
  async function delegationServer() {
    let calls = 0;
    const server = createServer(async (request, response) => {
      request.resume();
      calls += 1;
      const time = (ms: number) => new Date(Date.now() + ms).toISOString();
      const fields = {
        SignedOid: randomUUID(),
        SignedTid: randomUUID(),
        SignedStart: time(0),
        SignedExpiry: time(86_400_000),
        SignedService: 'b',
        SignedVersion: '2020-10-02',
        Value: btoa('k'.repeat(32)),
      };
      const inner = Object.entries(fields).map(([name, value]) => `<${name}>${value}</${name}>`);
      response
        .writeHead(200, { 'content-type': 'application/xml' })
        .end(`<UserDelegationKey>${inner.join('')}</UserDelegationKey>`);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    return { url: `http://127.0.0.1:${port}/account`, calls: () => calls };
  }

  it('signs links with a delegation key that is fetched once', async () => {
    const server = await delegationServer();
    // Anonymous towards this server: a bearer token may not travel over plain http.
    const service = new BlobServiceClient(server.url);
    const sign = createLinkSigner(service);
    const blob = service.getContainerClient('audio').getBlockBlobClient('a/b.webm');
    const first = new URL(await sign(blob, HOUR_S));
    await sign(blob, HOUR_S);
    expect(server.calls()).toBe(1);
    expect(first.pathname).toBe('/account/audio/a/b.webm');
    expect(first.searchParams.get('sp')).toBe('r');
    expect(first.searchParams.get('skoid')).toBeTruthy();
    expect(first.searchParams.get('sig')).toBeTruthy();
    await sign(blob, 48 * HOUR_S);
    expect(server.calls()).toBe(2);
  });
});

describe('uncommitted blocks', () => {
  it('of an upload that was cut off stay invisible', async () => {
    const { store, container } = await open();
    const body = new PassThrough();
    const put = store.put('cut/off', body, WEBM);
    await new Promise(resolve => body.write(Buffer.alloc(9 * 1024 * 1024), resolve));
    body.destroy(new Error('gone'));
    await expect(put).rejects.toThrow('gone');
    const visible = await Array.fromAsync(container.listBlobsFlat());
    expect(visible).toEqual([]);
    expect(await store.get('cut/off')).toBeNull();
  });
});

describe('failures', () => {
  it('of the service become `unavailable`, without its message', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    const endpoint = `http://127.0.0.1:${port}/a`;
    const account = `DefaultEndpointsProtocol=http;AccountName=a;AccountKey=${btoa('k')}`;
    const connectionString = `${account};BlobEndpoint=${endpoint};`;
    const store = await openAzureBlobs({ connectionString, container: 'abc' });
    const error = await store.ping(5_000).catch(reason => reason);
    expect(error).toMatchObject({ code: 'unavailable', detail: 'Blob storage is unavailable.' });
  });

  it('keep their meaning where they have one', () => {
    const answer = (statusCode: number) => toBlobError(new RestError('x', { statusCode }));
    expect(answer(507)).toMatchObject({ code: 'storage_full' });
    expect(answer(416)).toMatchObject({ code: 'range_not_satisfiable' });
    expect(answer(403)).toMatchObject({ code: 'unavailable' });
    const other = new TypeError('not ours');
    expect(toBlobError(other)).toBe(other);
  });
});

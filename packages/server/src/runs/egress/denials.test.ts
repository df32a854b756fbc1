import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { DEFAULT_LIMITS } from './proxy.ts';
import { openTestHost, openTestProxy } from './testing.ts';

const connectLines = (authority: string) => [`CONNECT ${authority} HTTP/1.1`, `Host: ${authority}`];
const getLines = (url: string) => [`GET ${url} HTTP/1.1`, 'Host: whatever', 'Connection: close'];

describe('a host that is not on the list', () => {
  it.each([
    'elsewhere.test:443',
    'listed.test.evil.test:443',
    'evillisted.test:443',
    'below.test:443',
    'evilbelow.test:443',
    '127.0.0.1:443',
    '[::1]:443',
    '2130706433:443',
  ])('%s is not even looked up', async authority => {
    const resolve = vi.fn(async () => ['140.82.121.4']);
    const { ask, telemetry } = await openTestProxy({
      hosts: ['listed.test', '*.below.test'],
      resolve,
    });
    const received = await ask(...connectLines(authority));
    expect(received).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/);
    expect(received).toContain('proxy-status: holdfast; error=http_request_denied');
    expect(received).toMatch(/Agents may not connect to \S+:443\..*HOLDFAST_SANDBOX_ALLOWED_HOSTS/);
    expect(resolve).not.toHaveBeenCalled();
    expect(telemetry.events()).toEqual(['run.outbound_denied']);
    expect(await telemetry.metric('holdfast_sandbox_outbound_requests_total')).toBe(1);
  });

  it('gets the same answer to a plain request with any Host header', async () => {
    const host = await openTestHost();
    const hosts = [`listed.test:${host.port}`];
    const { ask, telemetry } = await openTestProxy({ hosts, privateHosts: ['127.0.0.1'] });
    const received = await ask(
      `GET http://127.0.0.1:${host.port}/secret-path?secret-query HTTP/1.1`,
      `Host: listed.test:${host.port}`,
      'Authorization: Bearer secret-token',
      'Connection: close',
    );
    expect(received).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/);
    expect(received).toContain(`127.0.0.1:${host.port}`);
    expect(host.connections()).toBe(0);
    expect(telemetry.text()).toContain('http_request_denied');
    expect(telemetry.text()).not.toContain('secret');
  });
});

describe('a port that is not on the list', () => {
  it.each([
    ['listed.test', 'listed.test:22'],
    ['listed.test', 'listed.test:8443'],
    ['listed.test:8443', 'listed.test:443'],
    ['*.listed.test:8443', 'a.listed.test:443'],
  ])('%s does not allow %s', async (entry, authority) => {
    const resolve = vi.fn(async () => ['140.82.121.4']);
    const { ask } = await openTestProxy({ hosts: [entry], resolve });
    const received = await ask(...connectLines(authority));
    expect(received).toMatch(/^HTTP\/1\.1 403 /);
    expect(received).toContain(`by adding ${authority} to HOLDFAST_SANDBOX_ALLOWED_HOSTS`);
    expect(resolve).not.toHaveBeenCalled();
  });
});

describe('a private address', () => {
  it.each([
    ['loopback', ['127.0.0.1']],
    ['one of several', ['140.82.121.4', '10.1.2.3']],
    ['metadata', ['169.254.169.254']],
    ['mapped into IPv6', ['::ffff:169.254.169.254']],
    ['unique local', ['fd00::1']],
    ['loopback in IPv6', ['::1']],
    ["Azure's host", ['168.63.129.16']],
  ])('is not connected to: %s', async (_, addresses) => {
    const host = await openTestHost();
    const { ask } = await openTestProxy({
      hosts: [`listed.test:${host.port}`],
      resolve: async () => addresses,
    });
    const received = await ask(...connectLines(`listed.test:${host.port}`));
    expect(received).toMatch(/^HTTP\/1\.1 403 /);
    expect(received).toContain('error=destination_ip_prohibited');
    expect(received).toContain(`adding listed.test:${host.port} to HOLDFAST_ALLOWED_HOSTS`);
    expect(host.connections()).toBe(0);
  });

  it.each(['127.0.0.1', '0x7f.1', '2130706433', '127.1', '127.0.0.1.'])(
    'is none the less private when it is written %s',
    async spelled => {
      const host = await openTestHost();
      const { ask } = await openTestProxy({ hosts: [`127.0.0.1:${host.port}`] });
      const received = await ask(...getLines(`http://${spelled}:${host.port}/`));
      expect(received).toContain('error=destination_ip_prohibited');
      expect(host.connections()).toBe(0);
    },
  );

  it('of a name that was public a moment ago is judged as it is now', async () => {
    const host = await openTestHost();
    const answers = [['140.82.121.4'], ['127.0.0.1']];
    const resolve = vi.fn(async () => answers.shift() ?? []);
    const { ask } = await openTestProxy({
      hosts: [`rebound.test:${host.port}`],
      limits: { connectTimeoutMs: 300 },
      resolve,
    });
    // The proxy connects to the judged address: nothing answers there, and no second lookup
    // follows.
    expect(await ask(...connectLines(`rebound.test:${host.port}`))).toMatch(/^HTTP\/1\.1 50[24] /);
    expect(resolve).toHaveBeenCalledTimes(1);
    const again = await ask(...getLines(`http://rebound.test:${host.port}/`));
    expect(again).toContain('error=destination_ip_prohibited');
    expect(resolve).toHaveBeenCalledTimes(2);
    expect(host.connections()).toBe(0);
  });

  it('is allowed by its port only where the setting names one', async () => {
    const host = await openTestHost();
    const { ask } = await openTestProxy({
      hosts: [`127.0.0.1:${host.port}`],
      privateHosts: ['127.0.0.1:9'],
    });
    expect(await ask(...getLines(`http://127.0.0.1:${host.port}/`))).toMatch(/^HTTP\/1\.1 403 /);
  });
});

describe('a request that is none for a proxy', () => {
  it.each([
    ['GET / HTTP/1.1'],
    ['GET https://listed.test/ HTTP/1.1'],
    ['GET ftp://listed.test/ HTTP/1.1'],
    ['GET http://user:password@listed.test/ HTTP/1.1'],
    ['GET http://listed.test:0/ HTTP/1.1'],
    ['GET http://listed.test:99999/ HTTP/1.1'],
    ['GET http:/// HTTP/1.1'],
    ['CONNECT listed.test HTTP/1.1'],
    ['CONNECT :443 HTTP/1.1'],
    ['CONNECT [::1%25lo]:443 HTTP/1.1'],
    ['CONNECT .:443 HTTP/1.1'],
    ['nonsense'],
  ])('%s is answered 400', async line => {
    const { ask } = await openTestProxy({ hosts: ['listed.test'] });
    const received = await ask(line, 'Host: listed.test', 'Connection: close');
    expect(received).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(received).not.toContain('password');
  });
});

describe('bounds', () => {
  it('headers are accepted up to their bound', async () => {
    const host = await openTestHost();
    const authority = `127.0.0.1:${host.port}`;
    const { ask } = await openTestProxy({ hosts: [authority], privateHosts: [authority] });
    const withBytes = (bytes: number) => {
      const lines = getLines(`http://${authority}/`);
      const usedBytes = Buffer.byteLength([...lines, 'X-Fill: '].join('\r\n'));
      return ask(...lines, `X-Fill: ${'x'.repeat(bytes - usedBytes)}`);
    };
    // The host bounds them at the same number; the parser counts with some slack for framing.
    expect(await withBytes(DEFAULT_LIMITS.headerMaxBytes - 200)).toMatch(/^HTTP\/1\.1 200 /);
    const received = await withBytes(DEFAULT_LIMITS.headerMaxBytes + 200);
    expect(received).toMatch(/^HTTP\/1\.1 431 /);
    expect(received).toContain(`may have ${DEFAULT_LIMITS.headerMaxBytes} bytes`);
    expect(host.requests).toHaveLength(1);
  });

  it('headers of an answer have the same bound', async () => {
    const fill = 'x'.repeat(DEFAULT_LIMITS.headerMaxBytes);
    const host = await openTestHost((_, response) => response.setHeader('x-fill', fill).end());
    const authority = `127.0.0.1:${host.port}`;
    const { ask } = await openTestProxy({ hosts: [authority], privateHosts: [authority] });
    const received = await ask(...getLines(`http://${authority}/`));
    expect(received).toMatch(/^HTTP\/1\.1 502 /);
    expect(received).toContain('error=http_protocol_error');
  });

  it('one connection beyond the bound is refused, and one that ends makes room', async () => {
    const host = await openTestHost();
    const authority = `127.0.0.1:${host.port}`;
    const { tunnel, telemetry } = await openTestProxy({
      hosts: [authority],
      privateHosts: [authority],
    });
    const open = [];
    for (let count = 0; count < DEFAULT_LIMITS.connectionsMax; count++)
      open.push(await tunnel(authority));
    for (const { head } of open) expect(head).toMatch(/^HTTP\/1\.1 200 /);
    const refused = await tunnel(authority);
    expect(refused.head).toMatch(/^HTTP\/1\.1 503 /);
    expect(refused.head).toContain(`${DEFAULT_LIMITS.connectionsMax} connections open`);
    expect(telemetry.text()).toContain('connection_limit_reached');
    open[0]!.socket.destroy();
    await vi.waitFor(async () => {
      expect((await tunnel(authority)).head).toMatch(/^HTTP\/1\.1 200 /);
    });
  });

  it('clients without a request are bounded too', async () => {
    const { port, telemetry } = await openTestProxy({ limits: { connectionsMax: 1 } });
    const clients = [1, 2, 3].map(() => {
      const client = connect(port, '127.0.0.1').on('error', () => {});
      onTestFinished(() => void client.destroy());
      return client;
    });
    await Promise.race(clients.map(client => once(client, 'close')));
    expect(telemetry.text()).toContain('connection_limit_reached');
  });

  it('headers that do not come in time end the connection', async () => {
    const { port } = await openTestProxy({ limits: { headersTimeoutMs: 100 } });
    const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    onTestFinished(() => void client.destroy());
    client.write('GET http://listed.test/ HTTP/1.1\r\n');
    expect(await text(client)).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('a slow lookup is given up', async () => {
    const { ask } = await openTestProxy({
      hosts: ['slow.test'],
      limits: { connectTimeoutMs: 50 },
      resolve: () => new Promise(() => {}),
    });
    expect(await ask(...connectLines('slow.test:443'))).toContain('error=dns_error');
  });

  it('a tunnel without bytes ends after its idle time', async () => {
    const host = await openTestHost();
    const authority = `127.0.0.1:${host.port}`;
    const { tunnel } = await openTestProxy({
      hosts: [authority],
      privateHosts: [authority],
      limits: { idleTimeoutMs: 100 },
    });
    const { socket } = await tunnel(authority);
    await once(socket.resume(), 'end');
  });

  it('a host that never answers is given up after the idle time', async () => {
    const host = await openTestHost(() => {});
    const authority = `127.0.0.1:${host.port}`;
    const { ask } = await openTestProxy({
      hosts: [authority],
      privateHosts: [authority],
      limits: { idleTimeoutMs: 100 },
    });
    const received = await ask(...getLines(`http://${authority}/`));
    expect(received).toMatch(/^HTTP\/1\.1 504 /);
  });

  it('of many denials some are logged, and further ones counted', async () => {
    const { ask, proxy, telemetry } = await openTestProxy({ limits: { denialsLoggedMax: 2 } });
    for (let count = 0; count < 5; count++) await ask(...connectLines(`host-${count}.test:443`));
    await proxy.close();
    expect(telemetry.events()).toEqual([
      'run.outbound_denied',
      'run.outbound_denied',
      'run.outbound_denied_more',
    ]);
    expect(await telemetry.metric('holdfast_sandbox_outbound_requests_total')).toBe(5);
  });
});

import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Certificate, createCertificate } from '../../../../../tools/services/certificate.ts';
import { type RedisService, startRedis } from '../../../../../tools/services/redis.ts';
import { type RecordedTelemetry, recordTelemetry } from '../log/testing.ts';
import { createRedis, type Redis, type RedisOptions } from './redis.ts';

const WAIT = { timeout: 15_000, interval: 20 };
const COMMAND_MS = 5_000;

const opened: Redis[] = [];
const started: RedisService[] = [];
let telemetry: RecordedTelemetry;
let certificate: Certificate;

beforeAll(async () => {
  telemetry = await recordTelemetry();
  certificate = await createCertificate();
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map(redis => redis.close()));
  await Promise.all(started.splice(0).map(service => service.stop()));
});
afterAll(() => telemetry.close());

async function start(options: Parameters<typeof startRedis>[0] = {}): Promise<RedisService> {
  const service = await startRedis(options);
  started.push(service);
  return service;
}

function open(service: { port: number }, options: Partial<RedisOptions> = {}): Redis {
  const redis = createRedis({ host: '127.0.0.1', port: service.port, telemetry, ...options });
  opened.push(redis);
  return redis;
}

async function whenReady(redis: Redis): Promise<void> {
  await vi.waitFor(() => expect(redis.ready).toBe(true), WAIT);
}

describe('a connection to Redis', () => {
  it('refuses commands at once while there is no Redis, without further harm', async () => {
    const service = await start();
    await service.stop();
    const redis = open(service);
    await expect(redis.command(['PING'], COMMAND_MS)).rejects.toMatchObject({
      code: 'unavailable',
    });
    await expect(redis.ping(COMMAND_MS)).rejects.toMatchObject({ code: 'unavailable' });
    expect(redis.ready).toBe(false);
    await vi.waitFor(() => expect(telemetry.events()).toContain('redis.away'), WAIT);
  });

  it('tells whether it is connected, and how full Redis is', async () => {
    const own = await recordTelemetry();
    const service = await start();
    const other = open(service);
    await whenReady(other);
    await other.command(['CONFIG', 'SET', 'maxmemory', '5000000'], COMMAND_MS);
    await whenReady(open(service, { telemetry: own }));
    await vi.waitFor(async () => {
      expect(await own.metric('redis_connection_status')).toBe(1);
      expect(await own.metric('holdfast_redis_memory_bytes')).toBeGreaterThan(100_000);
      expect(await own.metric('holdfast_redis_memory_max_bytes')).toBe(5_000_000);
      expect(await own.metric('redis_connection_latency_ms_count')).toBeGreaterThan(0);
    }, WAIT);
    await service.stop();
    await vi.waitFor(async () => expect(await own.metric('redis_connection_status')).toBe(0), WAIT);
    await own.close();
  });

  it('comes back after Redis does, with its subscriptions, and logs each change once', async () => {
    const service = await start();
    const before = telemetry.events().length;
    const redis = open(service);
    await whenReady(redis);
    const heard: string[] = [];
    redis.subscribe('news', message => heard.push(message));
    const publish = async (message: string) => {
      await vi.waitFor(async () => {
        expect(await redis.command(['PUBLISH', 'news', message], COMMAND_MS)).toBe(1);
      }, WAIT);
    };
    await publish('one');
    await service.stop();
    await vi.waitFor(() => expect(redis.ready).toBe(false), WAIT);
    await start({ port: service.port });
    await whenReady(redis);
    await publish('two');
    await vi.waitFor(() => expect(heard).toEqual(['one', 'two']), WAIT);
    const logged = telemetry.events().slice(before);
    expect(logged).toEqual(['redis.away', 'redis.recovered']);
  });

  it('finds a Redis that went silent without closing, and replaces the connection', async () => {
    const service = await start();
    const redis = open(service);
    await whenReady(redis);
    const heard: string[] = [];
    redis.subscribe('news', message => heard.push(message));
    process.kill(service.pid, 'SIGSTOP');
    await expect(redis.command(['PING'], 50)).rejects.toMatchObject({ code: 'unavailable' });
    await vi.waitFor(() => expect(redis.ready).toBe(false), WAIT);
    process.kill(service.pid, 'SIGCONT');
    await whenReady(redis);
    await vi.waitFor(async () => {
      expect(await redis.command(['PUBLISH', 'news', 'again'], COMMAND_MS)).toBe(1);
      expect(heard).toContain('again');
    }, WAIT);
  }, 120_000);

  it('stops receiving when unsubscribed, one listener at a time', async () => {
    const redis = open(await start());
    const heard: string[] = [];
    const stopFirst = redis.subscribe('news', message => heard.push(`1 ${message}`));
    const stopSecond = redis.subscribe('news', message => heard.push(`2 ${message}`));
    await whenReady(redis);
    const publish = (text: string) => redis.command(['PUBLISH', 'news', text], COMMAND_MS);
    await vi.waitFor(async () => expect(await publish('a')).toBe(1), WAIT);
    await vi.waitFor(() => expect(heard).toEqual(['1 a', '2 a']), WAIT);
    stopFirst();
    stopFirst();
    await publish('b');
    await vi.waitFor(() => expect(heard).toEqual(['1 a', '2 a', '2 b']), WAIT);
    stopSecond();
    await vi.waitFor(async () => expect(await publish('c')).toBe(0), WAIT);
    expect(heard).toHaveLength(3);
  });

  it('puts its prefix before names', async () => {
    expect(open(await start(), { prefix: 'blue:' }).name('limit:x')).toBe('blue:limit:x');
  });
});

describe('credentials', () => {
  it('that are wrong keep the connection away, and are not logged', async () => {
    const service = await start({ password: randomBytes(8).toString('hex') });
    const password = `wrong-${randomBytes(8).toString('hex')}`;
    const redis = open(service, { password });
    const events = () => telemetry.events().filter(event => event === 'redis.away').length;
    const before = events();
    await vi.waitFor(() => expect(events()).toBeGreaterThan(before), WAIT);
    await expect(redis.ping(COMMAND_MS)).rejects.toMatchObject({ code: 'unavailable' });
    expect(telemetry.text()).not.toContain(password);
  });

  it('by user and password, over TLS from a known authority only', async () => {
    const [username, password] = ['holdfast', randomBytes(8).toString('hex')];
    const tls = certificate;
    const service = await start({ username, password, tls });
    const options = { host: 'localhost', ssl: true, username, password };
    const redis = open(service, { ...options, ca: certificate.certPem });
    await whenReady(redis);
    await redis.ping(COMMAND_MS);
    const trusting = open(service, options);
    await expect(trusting.ping(COMMAND_MS)).rejects.toMatchObject({ code: 'unavailable' });
    expect(trusting.ready).toBe(false);
  });

  it('of Entra ID need TLS', () => {
    const refused = () => createRedis({ host: '127.0.0.1', port: 1, entra: {} });
    expect(refused).toThrow(/TLS/);
  });

  describe('of Entra ID', () => {
    const oid = '6fbf5e8c-0000-4000-8000-1234567890ab';
    const token = (n: number) => {
      const claims = Buffer.from(JSON.stringify({ oid, n })).toString('base64url');
      return `e30.${claims}.c2ln`;
    };
    const secure = { host: 'localhost', ssl: true };

    /** Hands out token 1, 2, 3…; the first one expires soon. */
    function issuer() {
      const tokens = { asked: 0 };
      const credential = {
        async getToken(scopes: string | string[]) {
          expect(scopes).toContain('https://redis.azure.com/.default');
          tokens.asked += 1;
          const lifetimeMs = tokens.asked === 1 ? 3_000 : 3_600_000;
          return { token: token(tokens.asked), expiresOnTimestamp: Date.now() + lifetimeMs };
        },
      };
      return { tokens, entra: { credential } };
    }

    it('are the object id and the token, renewed on the open connection', async () => {
      const service = await start({ username: oid, password: token(1), tls: certificate });
      const { tokens, entra } = issuer();
      const redis = open(service, { ...secure, ca: certificate.certPem, entra });
      await whenReady(redis);
      const clientId = await redis.command(['CLIENT', 'ID'], COMMAND_MS);
      // Only the second token is good from now on; the connection must come to know by itself.
      await redis.command(['ACL', 'SETUSER', oid, 'resetpass', `>${token(2)}`], COMMAND_MS);
      await vi.waitFor(() => expect(tokens.asked).toBe(2), WAIT);
      await redis.ping(COMMAND_MS);
      expect(await redis.command(['CLIENT', 'ID'], COMMAND_MS)).toBe(clientId);
      expect(telemetry.text()).not.toContain(token(1));
      expect(telemetry.events()).not.toContain('redis.credentials_stale');
    });

    it('are asked for anew, on a new connection, when the renewed ones are refused', async () => {
      const service = await start({ username: oid, password: token(1), tls: certificate });
      const { tokens, entra } = issuer();
      const redis = open(service, { ...secure, ca: certificate.certPem, entra });
      await whenReady(redis);
      const clientId = await redis.command(['CLIENT', 'ID'], COMMAND_MS);
      // The second token, of the renewal, will be refused.
      await redis.command(['ACL', 'SETUSER', oid, `>${token(3)}`], COMMAND_MS);
      await vi.waitFor(() => {
        expect(telemetry.events()).toContain('redis.credentials_stale');
        expect(tokens.asked).toBe(3);
      }, WAIT);
      await whenReady(redis);
      expect(await redis.command(['CLIENT', 'ID'], COMMAND_MS)).not.toBe(clientId);
      expect(telemetry.text()).not.toMatch(/e30\./);
    });
  });
});

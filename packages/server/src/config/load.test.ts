import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ConfigError, loadConfig, mergeVariables, readDotenv, Secret } from './index.ts';

function faultsOf(environment: Record<string, string>, dotenv: Record<string, string> = {}) {
  try {
    loadConfig(environment, dotenv);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}

describe('refusals', () => {
  it('lists every fault in one message', () => {
    const environment = { PORT: '99999', HOLDFAST_TLS_CERT: 'a.pem', HOLDFAST_METRIC_PORT: '1' };
    expect(() => loadConfig(environment, {})).toThrow(
      /3 faults:\n {2}- PORT: .*\n {2}- HOLDFAST_METRIC_PORT: .*\n {2}- HOLDFAST_TLS_CERT/s,
    );
  });

  it('suggests the nearest known name', () => {
    expect(faultsOf({ HOLDFAST_DATADIR: 'x' })).toEqual([
      'HOLDFAST_DATADIR: no such setting. Did you mean HOLDFAST_DATA_DIR?',
    ]);
    expect(faultsOf({}, { HOLDFAST_SOMETHING_ELSE_ENTIRELY: 'x' })).toEqual([
      'HOLDFAST_SOMETHING_ELSE_ENTIRELY: no such setting (in .env).',
    ]);
  });

  it('leaves unknown names of others alone', () => {
    expect(faultsOf({ PATH: '/bin', SIMULATOR_SEED: '1' })).toEqual([]);
  });

  it.each([
    ['PORT', 'http'],
    ['PORT', '-1'],
    ['PORT', '1e3'],
    ['HOLDFAST_ROLES', 'gateway,cook'],
    ['HOLDFAST_ROLES', ','],
    ['HOLDFAST_TRUSTED_PROXIES', 'loopback'],
    ['HOLDFAST_TRUSTED_PROXIES', '10.0.0.0/33'],
    ['HOLDFAST_TRUSTED_PROXIES', '10.0.0.0/255.0.0.0'],
    ['HOLDFAST_TRUSTED_PROXIES', '::1, fe80::1%eth0'],
    ['HOLDFAST_CORS_ORIGINS', '*'],
    ['HOLDFAST_CORS_ORIGINS', 'http://localhost:3000/'],
    ['HOLDFAST_TRACE_SAMPLE_RATIO', '1.1'],
    ['DATABASE_ECHO', 'maybe'],
    ['LOG_LEVEL', 'loud'],
    ['AZURE_OPENAI_ENDPOINT', 'http://example.com'],
    ['AZURE_OPENAI_ENDPOINT', 'https://user:pass@example.com'],
    ['OPENAI_BASE_URL', 'ftp://127.0.0.1'],
    ['HOLDFAST_UPLOAD_MAX_BYTES', '99999999999999999999'],
  ])('refuses %s=%s and names what is expected', (name, value) => {
    expect(faultsOf({ [name]: value })[0]).toMatch(new RegExp(`^${name}: expected .*, got "`));
  });

  it('shows no secret, also when it is at fault', () => {
    const faults = faultsOf({
      DATABASE_URL: 'mysql://u:hunter2@h/d',
      HOLDFAST_MASTER_KEY: 'hunter2',
      HOLDFAST_ADMIN_LINK_TOKEN: 'hunter2',
    });
    expect(faults).toHaveLength(3);
    expect(faults.join()).not.toContain('hunter2');
  });

  it('cuts a long value short', () => {
    expect(faultsOf({ PORT: 'x'.repeat(5000) })[0]!.length).toBeLessThan(200);
  });
});

describe('rules across settings', () => {
  const oidc = { HOLDFAST_OIDC_ISSUER: 'https://login.example', HOLDFAST_OIDC_CLIENT_ID: 'c' };
  const open = { HOLDFAST_HOST: '0.0.0.0' };
  const upstream = { OPENAI_API_KEY: 'k' };

  it.each<[string, Record<string, string>, RegExp]>([
    ['a key without its certificate', { HOLDFAST_TLS_KEY: 'k.pem' }, /both or neither/],
    ['an endpoint without credentials', { AZURE_OPENAI_ENDPOINT: 'https://a.example' }, /ENTRA/],
    ['Entra without endpoint', { HOLDFAST_AZURE_OPENAI_ENTRA: 'true' }, /AZURE_OPENAI_ENDPOINT/],
    ['a base URL without key', { OPENAI_BASE_URL: 'http://127.0.0.1:1' }, /OPENAI_API_KEY/],
    ['an open door without identity', { ...open, ...upstream }, /HOLDFAST_OIDC_ISSUER/],
    ['an open door without upstream', { ...open, ...oidc }, /upstream/],
    ['an issuer without client', { HOLDFAST_OIDC_ISSUER: 'https://x.example' }, /CLIENT_ID/],
    ['a client without issuer', { HOLDFAST_OIDC_CLIENT_ID: 'c' }, /HOLDFAST_OIDC_ISSUER/],
    ['split roles on the embedded database', { HOLDFAST_ROLES: 'api' }, /DATABASE_URL/],
    [
      'a shared database without a shared key',
      { DATABASE_URL: 'postgresql://u:p@h/d' },
      /HOLDFAST_MASTER_KEY/,
    ],
    ['Redis by Entra without host', { HOLDFAST_REDIS_ENTRA: 'true' }, /REDIS_HOST/],
    [
      'Redis by Entra without TLS',
      { HOLDFAST_REDIS_ENTRA: 'true', REDIS_HOST: 'r', REDIS_SSL: 'false' },
      /REDIS_SSL/,
    ],
    [
      'two blob stores',
      {
        AZURE_STORAGE_CONNECTION_STRING: 'AccountName=a',
        HOLDFAST_AZURE_STORAGE_URL: 'https://a.blob.example',
      },
      /only one/,
    ],
    ['metrics on the main port', { HOLDFAST_METRICS_PORT: '8080' }, /differ from PORT/],
  ])('refuses %s', (_, environment, expected) => {
    const faults = faultsOf(environment);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(expected);
  });

  it('accepts an open door with identity and upstream', () => {
    expect(faultsOf({ ...open, ...oidc, ...upstream })).toEqual([]);
  });
});

describe('values', () => {
  it('needs nothing at all', () => {
    const config = loadConfig({}, {});
    expect(config.server).toMatchObject({ host: '127.0.0.1', port: 8080 });
    expect(config.upstreams).toMatchObject({ azure: null, openai: null });
    expect(config.recordings.uploadMaxBytes).toBe(100 * 1024 * 1024);
    expect(config.redis).toBeNull();
  });

  it('takes an Azure endpoint with its key as all it needs', () => {
    const { azure } = loadConfig(
      { AZURE_OPENAI_ENDPOINT: 'https://r.openai.azure.com/', AZURE_OPENAI_API_KEY: 'k' },
      {},
    ).upstreams;
    expect(azure).toMatchObject({
      endpoint: 'https://r.openai.azure.com',
      deployment: 'gpt-realtime',
    });
    expect(azure!.apiKey!.reveal()).toBe('k');
  });

  it('prefers the environment to .env, and counts an empty value as unset', () => {
    const dotenv = { PORT: '1', LOG_LEVEL: 'WARNING', CONTAINER_APP_REVISION: 'blue' };
    const config = loadConfig({ PORT: '2', CONTAINER_APP_REVISION: ' ' }, dotenv);
    expect(config.server.port).toBe(2);
    expect(config.server.revision).toBe('blue');
    expect(config.telemetry.level).toBe('warn');
  });

  it('takes a SQLAlchemy URL as the older services had it', () => {
    const HOLDFAST_MASTER_KEY = Buffer.alloc(32).toString('base64');
    const DATABASE_URL = 'postgresql+asyncpg://u:p@h/d';
    const { url } = loadConfig({ DATABASE_URL, HOLDFAST_MASTER_KEY }, {}).database;
    expect(url!.reveal()).toBe('postgresql://u:p@h/d');
  });

  it('reads lists and pairs', () => {
    const { claims, audiences } = loadConfig(
      {
        HOLDFAST_OIDC_ISSUER: 'https://tenant.example',
        HOLDFAST_OIDC_CLIENT_ID: 'c',
        HOLDFAST_OIDC_AUDIENCE: 'api://a, api://b',
        HOLDFAST_OIDC_ROLE_MAP: 'group-1=Developer, group-2=sales:Admin',
      },
      {},
    ).identity.oidc!;
    const projects = (text: string) =>
      loadConfig({ HOLDFAST_PROJECTS: text }, {}).identity.projects;
    expect(projects('sales, art-2')).toEqual(['sales', 'art-2']);
    expect(faultsOf({ HOLDFAST_PROJECTS: 'Sales' })).toHaveLength(1);
    expect(audiences).toEqual(['api://a', 'api://b']);
    expect([claims.roles, claims.groups]).toEqual([['roles'], ['groups']]);
    expect(claims.roleMap).toEqual({ 'group-1': 'Developer', 'group-2': 'sales:Admin' });
    expect(faultsOf({ HOLDFAST_OIDC_ROLE_MAP: 'group-1' })).toHaveLength(1);
  });

  it('reads patterns of hosts', () => {
    const given = (text: string) => ({ HOLDFAST_SANDBOX_ALLOWED_HOSTS: text });
    const good = 'A.test, *.B.test:8443,10.0.0.1:80,[fd00::1]:80,xn--bcher-kva.test';
    const { sandboxAllowedHosts } = loadConfig(given(good), {}).runs;
    expect(sandboxAllowedHosts).toEqual(good.toLowerCase().split(/, ?/));
    for (const bad of [
      ...['*', '*.', '*.1.2.3.4', '*.[fd00::1]', 'a.*', 'a*.test', 'https://a.test', 'a.test/b'],
      ...['a.test:0', 'a.test:65536', 'a.test:', 'fd00::1', '[fd00::1', '1.2.3.4/8', 'u@a.test'],
    ]) {
      expect(faultsOf(given(bad)), bad).toHaveLength(1);
    }
  });

  it('reads events and their fields', () => {
    const given = (text: string) => ({ HOLDFAST_LOCKED_ALSO_ALLOWED: text });
    const good = 'a.b, a.b:c, a.b:c.d[].e_f=*,a.b:c[][].d=x y|z';
    const { lockedAlsoAllowed } = loadConfig(given(good), {}).sessions;
    expect(lockedAlsoAllowed).toEqual(good.split(/, ?/));
    for (const bad of ['a b', 'a:', ':a', 'a:b.', 'a:b..c', 'a:b[', 'a:[]', 'a:b=', 'a:b=x||y']) {
      expect(faultsOf(given(bad)), bad).toHaveLength(1);
    }
  });

  it('is immutable', () => {
    const config = loadConfig({}, {});
    expect(() => Object.assign(config.server, { port: 1 })).toThrow(TypeError);
  });

  it('keeps the issuer to the letter', () => {
    const issuer = 'https://tenant.example/';
    const environment = { HOLDFAST_OIDC_ISSUER: issuer, HOLDFAST_OIDC_CLIENT_ID: 'c' };
    expect(loadConfig(environment, {}).identity.oidc).toMatchObject({ issuer, audiences: ['c'] });
  });
});

describe('Secret', () => {
  it('is masked in every usual conversion to text', () => {
    const secret = new Secret('hunter2');
    const texts = [`${secret}`, String(secret), JSON.stringify({ secret }), inspect({ secret })];
    expect(texts.join()).not.toContain('hunter2');
    expect(texts.every(text => text.includes('***'))).toBe(true);
    expect(secret.reveal()).toBe('hunter2');
  });
});

describe('mergeVariables', () => {
  it('takes what the settings take: the environment, unless it is empty there', () => {
    const merged = mergeVariables({ A: '1', B: ' ', C: '' }, { A: '2', B: '2', D: '3' });
    expect(merged).toEqual({ A: '1', B: '2', C: '', D: '3' });
  });
});

describe('readDotenv', () => {
  it('reads a file, and an absent one as empty', () => {
    const dir = mkdtempSync(join(tmpdir(), 'holdfast-config-'));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    writeFileSync(join(dir, '.env'), '# comment\nPORT=81\nHOLDFAST_NOTICE="two words"\n');
    expect(readDotenv(join(dir, '.env'))).toEqual({ PORT: '81', HOLDFAST_NOTICE: 'two words' });
    expect(readDotenv(join(dir, 'none'))).toEqual({});
  });
});

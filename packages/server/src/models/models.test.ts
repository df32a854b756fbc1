import type { TokenCredential } from '@azure/identity';
import { describe, expect, it } from 'vitest';
import { HoldfastError } from '../kernel/index.ts';
import {
  createModels,
  defaultCatalogue,
  defaultTextModels,
  entraTokens,
  type Models,
  parseCatalogue,
} from './index.ts';

const secrets: Record<string, string> = { KEY: 'k-123' };
const credentials = { secret: async (name: string) => secrets[name] };

function azure(overrides: Record<string, unknown> = {}): Models {
  const catalogue = defaultCatalogue({
    provider: 'azure',
    url: 'https://res.openai.azure.com/',
    auth: 'api_key',
    apiKeySecret: 'KEY',
    deployment: 'voice',
    ...overrides,
  });
  return createModels({ catalogue, credentials });
}

function faultOf(work: () => unknown): HoldfastError {
  try {
    work();
  } catch (error) {
    if (error instanceof HoldfastError) return error;
  }
  throw new Error('nothing was thrown');
}

describe('resolve', () => {
  it.each([undefined, null, '', 'a model', '-x', '__proto__', 'x'.repeat(101)])(
    'refuses %s',
    name => {
      const error = faultOf(() => azure().resolve(name));
      expect(error.code).toBe('unknown_model');
      expect(error.status).toBe(400);
      expect(error.allowed).toEqual(['gpt-realtime']);
    },
  );

  it('refuses agents a model that speaks no text protocol', () => {
    for (const name of ['gpt-realtime', 'gpt-3', '', '__proto__']) {
      const error = faultOf(() => azure().checkText(name));
      expect(error).toMatchObject({ code: 'unknown_model', field: 'model', allowed: [] });
    }
  });

  it('leads the names of OpenAI’s models to the deployment of an Azure resource', () => {
    const models = azure();
    for (const name of ['gpt-realtime', 'gpt-realtime-2.1', 'gpt-4o-realtime-preview', 'voice']) {
      expect(models.upstream(models.resolve(name)).deployment).toBe('voice');
    }
  });

  it.each(['azure', 'openai'] as const)(
    'passes any other name on, at %s, without a price',
    provider => {
      const models = azure({ provider, deployment: undefined });
      for (const name of [
        'my-voice',
        'gpt-realtime-3',
        'gpt-realtime-2.1-eu',
        'ft:gpt-realtime:org::1',
      ]) {
        const model = models.resolve(name);
        expect(model).toMatchObject({ id: name, prices: [], protocols: ['realtime'] });
        expect(new URL(models.upstream(model).wsUrl()).searchParams.get('model')).toBe(name);
      }
      expect(() => models.resolve('my-voice', 'responses')).toThrow('no such model');
      expect(models.list.map(model => model.id)).not.toContain('my-voice');
    },
  );

  it('has the models of today, each under its own name', () => {
    const models = azure({ provider: 'openai', deployment: undefined });
    for (const name of [
      'gpt-realtime-2.1',
      'gpt-realtime-2.1-mini',
      'gpt-realtime-2',
      'gpt-realtime-1.5',
      'gpt-realtime-mini-2025-12-15',
      'gpt-audio-1.5',
      'gpt-realtime-2025-08-28',
      'gpt-realtime-mini-2026-11-30',
    ]) {
      expect(models.upstream(models.resolve(name)).deployment).toBe(name);
    }
    expect(models.resolve('gpt-realtime').shutdown_date).toBe('2027-01-20');
    expect(models.resolve('gpt-4o-mini-realtime-preview').id).toBe('gpt-realtime-2.1-mini');
    expect(models.resolve('gpt-4o-realtime-preview').id).toBe('gpt-realtime-2.1');
    expect(models.defaultModel.shutdown_date).toBeUndefined();
  });

  it('gives a dated name the prices of its model, but not its end', () => {
    const prices = [{ from: '2026-01-01', input_text: 4 }];
    const catalogue = parseCatalogue({
      default: 'a',
      pass_on: 'e',
      endpoints: { e: { provider: 'openai', auth: 'none' } },
      models: [
        { id: 'a', endpoint: 'e', deployment: 'other', prices, shutdown_date: '2027-01-20' },
        { id: 'b', endpoint: 'e', aliases: ['b-*'] },
      ],
    });
    const models = createModels({ catalogue, credentials });
    const dated = models.resolve('a-2026-07-01');
    expect(dated).toMatchObject({ id: 'a-2026-07-01', prices: [{ input_text: 4 }] });
    expect(dated.shutdown_date).toBeUndefined();
    expect(models.upstream(dated).deployment).toBe('a-2026-07-01');
    expect(models.resolve('a-2').prices).toEqual([]);
    expect(models.resolve('b-anything').id).toBe('b');
  });

  it('refuses a name that the operator’s file does not have', () => {
    const catalogue = parseCatalogue({
      default: 'a',
      endpoints: { e: { provider: 'openai', auth: 'none' } },
      models: [{ id: 'a', endpoint: 'e' }],
    });
    const models = createModels({ catalogue, credentials });
    expect(faultOf(() => models.resolve('gpt-realtime-2.1'))).toMatchObject({
      code: 'unknown_model',
      allowed: ['a'],
    });
  });
});

describe('operator file', () => {
  const base = {
    default: 'a',
    endpoints: { e: { provider: 'compatible', url: 'http://127.0.0.1:9', auth: 'none' } },
    models: [{ id: 'a', endpoint: 'e' }],
  };
  const endpoint = (value: Record<string, unknown>) => ({
    ...base,
    endpoints: { e: { provider: 'compatible', auth: 'none', ...value } },
  });

  it.each([
    ['no model', { ...base, models: [] }, 'models'],
    ['a default that is none', { ...base, default: 'b' }, 'default'],
    ['a name used twice', { ...base, models: [...base.models, ...base.models] }, 'used twice'],
    ['names passed on to nowhere', { ...base, pass_on: 'x' }, 'pass_on'],
    ['an unknown endpoint', { ...base, models: [{ id: 'a', endpoint: 'x' }] }, 'no endpoint x'],
    ['an unknown key', { ...base, secret: 'x' }, 'secret'],
    ['plain http elsewhere', endpoint({ url: 'http://example.org/v1' }), 'https'],
    ['plain ws elsewhere', endpoint({ url: 'ws://10.0.0.1' }), 'https'],
    ['a host that only looks local', endpoint({ url: 'http://127.0.0.1.example.org' }), 'https'],
    ['credentials in the URL', endpoint({ url: 'https://u:p@example.org' }), 'credentials'],
    ['a query in the URL', endpoint({ url: 'https://example.org/?key=1' }), 'query'],
    ['another scheme', endpoint({ url: 'file:///etc/passwd' }), 'https'],
    ['a key without a name', endpoint({ auth: 'api_key', url: 'https://example.org' }), 'secret'],
    ['entra elsewhere', endpoint({ auth: 'entra', url: 'https://example.org' }), 'azure only'],
  ])('refuses %s', (_, value, text) => {
    const error = faultOf(() => parseCatalogue(value));
    expect(error.detail).toContain(text);
  });

  it('lists every fault in one message', () => {
    const error = faultOf(() =>
      parseCatalogue({ ...base, default: 'b', models: [{ id: 'a', endpoint: 'x' }] }),
    );
    expect(error.detail).toMatch(/no endpoint x.*names no model|names no model.*no endpoint x/);
  });
});

describe('upstream', () => {
  it('speaks to Azure under its GA paths without api-version', async () => {
    const models = azure();
    const upstream = models.upstream(models.defaultModel);
    expect(upstream.wsUrl()).toBe('wss://res.openai.azure.com/openai/v1/realtime?model=voice');
    expect(upstream.callsUrl).toBe('https://res.openai.azure.com/openai/v1/realtime/calls');
    expect(upstream.callUrl('rtc_a/b', 'hangup')).toBe(`${upstream.callsUrl}/rtc_a%2Fb/hangup`);
    expect(await upstream.headers()).toEqual({ 'api-key': 'k-123' });
  });

  it('attaches to a call with exactly one parameter', () => {
    const models = azure();
    const url = new URL(models.upstream(models.defaultModel).wsUrl({ callId: 'rtc_1' }));
    expect([...url.searchParams]).toEqual([['call_id', 'rtc_1']]);
  });

  it.each([
    ['http://127.0.0.1:9100', 'ws://127.0.0.1:9100/v1/realtime?model=gpt-realtime-2.1'],
    ['http://127.0.0.1:9100/v1/', 'ws://127.0.0.1:9100/v1/realtime?model=gpt-realtime-2.1'],
    ['wss://example.org/base', 'wss://example.org/base/realtime?model=gpt-realtime-2.1'],
  ])('builds on the compatible base %s', (url, expected) => {
    const catalogue = defaultCatalogue({ provider: 'compatible', url, auth: 'none' });
    const models = createModels({ catalogue, credentials });
    expect(models.upstream(models.defaultModel).wsUrl()).toBe(expected);
  });

  it('answers upstream_rejected, without the reason, when the key is missing', async () => {
    const models = azure({ apiKeySecret: 'ABSENT' });
    const failure = models.upstream(models.defaultModel).headers();
    await expect(failure).rejects.toMatchObject({ code: 'upstream_rejected' });
    await expect(failure).rejects.not.toThrow(/ABSENT/);
  });

  it('asks Entra ID once and keeps the token while it is fresh', async () => {
    let asked = 0;
    const credential: TokenCredential = {
      getToken: async scopes => {
        asked += 1;
        expect([scopes].flat()).toEqual(['https://cognitiveservices.azure.com/.default']);
        return { token: `t${asked}`, expiresOnTimestamp: Date.now() + 3_600_000 };
      },
    };
    const entraToken = entraTokens({ credential });
    const catalogue = defaultCatalogue({
      provider: 'azure',
      url: 'https://res.openai.azure.com',
      auth: 'entra',
    });
    const models = createModels({ catalogue, credentials: { ...credentials, entraToken } });
    const upstream = models.upstream(models.defaultModel);
    expect(await upstream.headers()).toEqual({ authorization: 'Bearer t1' });
    expect(await upstream.headers()).toEqual({ authorization: 'Bearer t1' });
  });
});

describe('text models', () => {
  const text = defaultTextModels({
    openai: { url: 'http://127.0.0.1:9/v1', apiKeySecret: 'KEY' },
    anthropic: { apiKeySecret: 'KEY' },
    gemini: { apiKeySecret: 'KEY' },
  });
  const models = createModels({
    catalogue: defaultCatalogue({
      provider: 'compatible',
      url: 'http://127.0.0.1:9/v1',
      auth: 'none',
      text,
    }),
    credentials,
  });

  it('are not offered to realtime clients, nor the other way round', () => {
    const error = faultOf(() => models.resolve('gpt-5.1-codex'));
    expect(error.allowed).toContain('gpt-realtime-2.1');
    const other = faultOf(() => models.resolve('gpt-realtime', 'responses'));
    expect(other.allowed).toEqual(['gpt-5.1-codex', 'gpt-5.1-codex-mini']);
  });

  it.each([
    ['gpt-5.1-codex-mini', 'responses', 'gpt-5.1-codex-mini'],
    ['gpt-5.9-codex', 'responses', 'gpt-5.1-codex'],
    ['gpt-6-sol', 'responses', 'gpt-5.1-codex'],
    ['gpt-5-mini-2025', 'chat', 'gpt-5.1-codex-mini'],
    ['claude-opus-9', 'messages', 'claude-opus-4-5'],
    ['claude-haiku-4-5-20251001', 'messages', 'claude-haiku-4-5'],
    ['claude-anything', 'messages', 'claude-sonnet-4-5'],
    ['gemini-3-pro-preview', 'gemini', 'gemini-2.5-pro'],
    ['gemini-2.5-flash-lite', 'gemini', 'gemini-2.5-flash'],
  ] as const)('%s in %s is %s', (name, protocol, id) => {
    expect(models.resolve(name, protocol).id).toBe(id);
  });

  it.each([
    ['gpt-5.1-codex', 'responses', undefined, 'http://127.0.0.1:9/v1/responses'],
    ['gpt-5.1-codex', 'chat', undefined, 'http://127.0.0.1:9/v1/chat/completions'],
    ['opus', 'messages', undefined, 'https://api.anthropic.com/v1/messages'],
    ['opus', 'messages', 'count_tokens', 'https://api.anthropic.com/v1/messages/count_tokens'],
    [
      'gemini-2.5-pro',
      'gemini',
      'generateContent',
      'https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:generateContent',
    ],
  ] as const)('%s is called in %s at its provider', (name, protocol, action, url) => {
    const upstream = models.textUpstream(models.resolve(name, protocol));
    expect(upstream.url(protocol, action).href).toBe(url);
  });

  it.each([
    ['opus', 'messages', 'x-api-key'],
    ['gemini-2.5-pro', 'gemini', 'x-goog-api-key'],
  ] as const)('%s takes its key as %s does', async (name, protocol, header) => {
    const upstream = models.textUpstream(models.resolve(name, protocol));
    expect(await upstream.headers(undefined)).toEqual({ [header]: 'k-123' });
    expect(await upstream.headers('own')).toEqual({ [header]: 'own' });
  });

  it('must be spoken by their provider', () => {
    const file = (provider: string, protocols: string[]) => ({
      default: 'a',
      endpoints: { e: { provider, url: 'http://127.0.0.1:9', auth: 'none' } },
      models: [{ id: 'a', endpoint: 'e', protocols }],
    });
    expect(faultOf(() => parseCatalogue(file('anthropic', ['chat']))).detail).toMatch(
      /anthropic has no chat/,
    );
    expect(() => parseCatalogue(file('gemini', ['gemini']))).not.toThrow();
  });
});

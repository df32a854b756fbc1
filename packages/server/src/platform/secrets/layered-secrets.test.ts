import { expect, it } from 'vitest';
import { createEnvironmentSecrets } from './environment-secrets.ts';
import { createLayeredSecrets, SECRET_FRESH_MS, SECRET_STALE_MS } from './layered-secrets.ts';

function setUp(environment: Record<string, string> = {}) {
  const state = { nowMs: 0, away: false, asked: 0, value: 'v1' };
  const store = {
    adapter: 'store',
    get: async () => {
      state.asked += 1;
      if (state.away) throw new Error('away');
      return state.value;
    },
  };
  const clock = { nowMs: () => state.nowMs, monotonicMs: () => state.nowMs };
  return {
    state,
    secrets: createLayeredSecrets(createEnvironmentSecrets(environment), store, clock),
  };
}

it('prefers the environment, and asks the store for the rest', async () => {
  const { secrets, state } = setUp({ HERE: 'own' });
  expect(await secrets.get('HERE')).toBe('own');
  expect(state.asked).toBe(0);
  expect(await secrets.get('THERE')).toBe('v1');
});

it('asks the store once a minute, and takes changes', async () => {
  const { secrets, state } = setUp();
  await secrets.get('KEY');
  state.value = 'v2';
  state.nowMs = SECRET_FRESH_MS - 1;
  expect(await secrets.get('KEY')).toBe('v1');
  expect(state.asked).toBe(1);
  state.nowMs = SECRET_FRESH_MS;
  expect(await secrets.get('KEY')).toBe('v2');
});

it('outlasts an outage of the store, for a bounded time', async () => {
  const { secrets, state } = setUp();
  await secrets.get('KEY');
  state.away = true;
  state.nowMs = SECRET_STALE_MS - 1;
  expect(await secrets.get('KEY')).toBe('v1');
  state.nowMs = SECRET_STALE_MS;
  await expect(secrets.get('KEY')).rejects.toThrow('away');
  await expect(secrets.get('OTHER')).rejects.toThrow('away');
});

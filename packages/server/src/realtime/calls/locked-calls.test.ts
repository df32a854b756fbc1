import { afterEach, describe, expect, it } from 'vitest';
import { WebRtcClient } from '../../../../simulator/src/testing/webrtc-client.ts';
import { useBench } from '../testing/bench.ts';
import { eventually } from '../testing/client.ts';

/** Calls with locks at a provider that does not say by itself what holds in them. */
const bench = useBench(
  { configurationTimeoutMs: 500 },
  { SIMULATOR_SIDEBAND_GREETING: 'false', SIMULATOR_DATA_CHANNEL_DELAY_MS: '0' },
);
afterEach(() => bench.simulator.clearFaults());

async function place() {
  const minted = await bench.host.request('/v1/realtime/client_secrets', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      session: { type: 'realtime', model: 'gpt-realtime', instructions: 'Be brief.' },
      holdfast: { locked: ['instructions'] },
    }),
  });
  const { value } = (await minted.json()) as { value: string };
  const client = new WebRtcClient({ hasChannel: false });
  const response = await bench.host.request('/v1/realtime/calls', {
    method: 'POST',
    headers: { 'content-type': 'application/sdp', authorization: `Bearer ${value}` },
    body: await client.offer(),
  });
  expect(response.status).toBe(201);
  await client.accept(await response.text());
  return { client, id: response.headers.get('holdfast-session')! };
}

interface UpstreamRecord {
  readonly state: string;
  readonly received: { readonly events: Record<string, number> };
}

/** The newest call at the provider. */
const upstream = async () => (await bench.simulator.sessions()).at(-1) as unknown as UpstreamRecord;
const asked = async () => (await upstream()).received.events['session.update'] ?? 0;
const hungUp = () => eventually(async () => (await upstream()).state !== 'open');

describe('a call with locked parts', () => {
  it('goes on when the provider, asked, says what was fixed', async () => {
    const { client, id } = await place();
    await eventually(async () => (await asked()) === 1);
    await eventually(async () => (await bench.logged(id)).includes('session.updated'));
    await new Promise(resolve => setTimeout(resolve, 300));
    expect(await bench.session(id)).toMatchObject({ state: 'connected' });
    await bench.host.request(`/v1/sessions/${id}/end`, { method: 'POST' });
    await hungUp();
    await client.close();
  });

  it.each(['ignore', 'refuse'])('is hung up when the provider answers so: %s', async how => {
    await bench.simulator.fault({ fault: 'session_update', how, routes: ['sideband'] });
    const { client, id } = await place();
    await hungUp();
    expect(await bench.settled(id, 'ended')).toMatchObject({
      close_reason: 'locked_configuration',
    });
    expect(await asked()).toBe(1);
    await client.close();
  });
});

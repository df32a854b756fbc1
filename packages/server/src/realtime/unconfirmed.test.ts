import { afterEach, describe, expect, it } from 'vitest';
import { useBench } from './testing/bench.ts';
import { connectClient, eventually } from './testing/client.ts';

const bench = useBench({ configurationTimeoutMs: 500 });
const GA = '/v1/realtime?model=gpt-realtime';

afterEach(() => bench.simulator.clearFaults());

async function mint(locked: string[]): Promise<string> {
  const session = { type: 'realtime', model: 'gpt-realtime', instructions: 'Be brief.' };
  const response = await bench.host.request('/v1/realtime/client_secrets', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ session, holdfast: { locked } }),
  });
  return ((await response.json()) as { value: string }).value;
}

const locked = async () => ({ bearer: await mint(['instructions']) });

/** What the model was sent in the newest session. */
async function received(): Promise<Record<string, number>> {
  const { received } = (await bench.simulator.sessions()).at(-1) as unknown as {
    received: { events: Record<string, number> };
  };
  return received.events;
}

describe('a configuration that is not confirmed', () => {
  it.each([
    ['ignore', [], 'upstream_timeout', 1011],
    ['ignore', ['all'], 'upstream_timeout', 1011],
    ['forget', ['instructions'], 'locked_configuration', 1008],
  ])('ends the session: %s, locked: %j', async (how, parts, code, closeCode) => {
    await bench.simulator.fault({ fault: 'session_update', how });
    const client = await connectClient(bench.host.wsUrl + GA, { bearer: await mint(parts) });
    client.send({ type: 'response.create' });
    expect((await client.closed).code).toBe(closeCode);
    expect(client.events).toMatchObject([{ type: 'error', error: { code } }]);
    expect(await received()).toEqual({ 'session.update': 1 });
  });

  it.each(['close', 'drop'])('because the provider is gone (%s), ends the session', async fault => {
    await bench.simulator.fault({ fault: 'session_update', how: 'ignore' });
    await bench.simulator.fault({ fault, after_received_frames: 1 });
    const client = await connectClient(bench.host.wsUrl + GA, await locked());
    expect((await client.closed).code).toBe(1011);
    expect(client.events).toMatchObject([{ type: 'error', error: { code: 'upstream_error' } }]);
  });

  it('ends with a client that leaves meanwhile', async () => {
    await bench.simulator.fault({ fault: 'session_update', how: 'ignore' });
    const client = await connectClient(bench.host.wsUrl + GA, await locked());
    client.socket.terminate();
    await eventually(() => bench.host.realtime.registry.size === 0);
  });
});

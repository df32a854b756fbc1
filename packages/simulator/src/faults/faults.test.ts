/** Every fault, as a client feels it, switched through the routes that tests use. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_FAULT_RULES, MAX_HUNG_REQUESTS } from '../limits.ts';
import { type Simulator, startSimulator } from '../server.ts';
import { until } from '../testing/events.ts';
import { silence } from '../testing/sound.ts';
import { WebSocketClient } from '../testing/websocket-client.ts';
import { FAULTS } from './rules.ts';

const PATH = '/v1/realtime?model=gpt-realtime';
let simulator: Simulator;

beforeEach(async () => {
  simulator = await startSimulator({ seed: 'faults' });
});
afterEach(() => simulator.close());

function inspect(path: string, method = 'GET', body?: unknown): Promise<Response> {
  return fetch(`${simulator.url}/_simulator/${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

async function arm(rule: object): Promise<void> {
  expect((await inspect('faults', 'POST', rule)).status).toBe(201);
}

const open = () => WebSocketClient.open(simulator, PATH);

async function armed(rule: object): Promise<WebSocketClient> {
  await arm(rule);
  return open();
}

describe('before the upgrade is answered', () => {
  it.each([401, 429, 500, 503])('refuses with %i, once', async status => {
    await arm({ fault: 'refuse', status, retry_after_s: 7, times: 1 });
    await expect(open()).rejects.toThrow(String(status));
    await (await open()).close();
  });

  it('refuses REST calls too, in the error shape, with Retry-After', async () => {
    await arm({ fault: 'refuse', status: 429, retry_after_s: 7, routes: ['client_secrets'] });
    const response = await fetch(`${simulator.url}/v1/realtime/client_secrets`, { method: 'POST' });
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('7');
    const { error } = (await response.json()) as { error: { code: string } };
    expect(error.code).toBe('rate_limit_exceeded');
    await (await open()).close();
  });

  it('hangs', async () => {
    await arm({ fault: 'hang', times: 1 });
    const opened = open();
    await until('the hanging connection', async () => {
      const { data } = (await (await inspect('faults')).json()) as { data: unknown[] };
      return data.length === 0 || undefined;
    });
    await (await open()).close();
    await simulator.close();
    await expect(opened).rejects.toThrow('socket hang up');
    simulator = await startSimulator();
  });

  it('cuts off the oldest when too many hang', async () => {
    await arm({ fault: 'hang', routes: ['client_secrets'] });
    const post = () => fetch(`${simulator.url}/v1/realtime/client_secrets`, { method: 'POST' });
    let failed = 0;
    const requests = Array.from({ length: MAX_HUNG_REQUESTS + 1 }, () =>
      post().catch(() => {
        failed += 1;
      }),
    );
    await until('one cut off', () => failed === 1 || undefined);
    await simulator.close();
    await Promise.all(requests);
    simulator = await startSimulator();
  });

  it('resets', async () => {
    await arm({ fault: 'reset_before_open', times: 1 });
    await expect(open()).rejects.toThrow(/ECONNRESET|socket hang up/);
  });

  it('answers late, for one model only', async () => {
    await arm({ fault: 'delay_open', delay_ms: 60_000, model: 'slow' });
    await (await open()).close();
    await inspect('faults', 'DELETE');
    await arm({ fault: 'delay_open', delay_ms: 50 });
    await (await open()).close();
  });
});

describe('in an open session', () => {
  it('sends the first event late', async () => {
    const client = await armed({ fault: 'delay_first_event', delay_ms: 150 });
    client.send({ type: 'input_audio_buffer.clear' });
    await client.events.next('session.created');
    expect(client.events.types).toEqual(['input_audio_buffer.cleared', 'session.created']);
  });

  it('closes with a code after so many frames', async () => {
    const client = await armed({
      fault: 'close',
      code: 4000,
      reason: 'gone',
      after_received_frames: 3,
    });
    client.speak(silence(300));
    expect(await client.closed).toEqual({ code: 4000, reason: 'gone' });
  });

  it.each([0, 999, 1005, 1006, 1015])('sends the forbidden close code %i', async code => {
    const client = await armed({ fault: 'close', code });
    expect((await client.failed).message).toContain('Invalid WebSocket frame: invalid status code');
  });

  it('drops without a close frame', async () => {
    const client = await armed({ fault: 'drop', after_sent_frames: 1 });
    expect((await client.closed).code).toBe(1006);
  });

  it('stops reading, then continues', async () => {
    const client = await armed({ fault: 'stall_reading', for_ms: 300 });
    await client.events.next('session.created');
    client.send({ type: 'input_audio_buffer.clear' });
    await client.events.next('input_audio_buffer.cleared');
  });

  it('stops answering pings', async () => {
    const client = await armed({ fault: 'mute_pongs' });
    await client.events.next('session.created');
    let pongs = 0;
    client.socket.on('pong', () => {
      pongs += 1;
    });
    client.socket.ping();
    client.send({ type: 'input_audio_buffer.clear' });
    await client.events.next('input_audio_buffer.cleared');
    expect(pongs).toBe(0);
  });

  it('has a short life, and expires on demand', async () => {
    const short = await armed({ fault: 'lifetime', lifetime_ms: 100, times: 1 });
    expect((await short.closed).code).toBe(1001);
    const client = await armed({ fault: 'expire', after_received_frames: 1 });
    client.send({ type: 'input_audio_buffer.clear' });
    expect((await client.closed).code).toBe(1001);
  });

  it('sends errors and texts of any kind', async () => {
    const client = await armed({ fault: 'error_event', times: 1 });
    expect((await client.events.next('error')).error.code).toBe('rate_limit_exceeded');
    const other = await armed({ fault: 'text', text: '{"type":"brand.new"' });
    expect((await other.events.next('(not JSON)')).text).toBe('{"type":"brand.new"');
  });

  const kinds = FAULTS.malformed.schema.shape.kind.options;
  it.each(kinds.filter(kind => kind !== 'huge_length'))('breaks RFC 6455: %s', async kind => {
    const client = await armed({ fault: 'malformed', kind });
    expect((await client.failed).message).toMatch(/Invalid/);
  });

  it('announces 10 GB', async () => {
    await arm({ fault: 'malformed', kind: 'huge_length' });
    const url = simulator.url.replace('http', 'ws') + PATH;
    const client = new WebSocketClient(url, { maxPayload: 1_000_000 });
    expect((await client.failed).message).toContain('Max payload size exceeded');
  });

  it('can be hit by a fault while it runs', async () => {
    const client = await open();
    const { session } = await client.events.next('session.created');
    const rule = { fault: 'close', code: 1012, reason: 'restart' };
    expect((await inspect(`sessions/${session.id}/faults`, 'POST', rule)).status).toBe(201);
    expect(await client.closed).toEqual({ code: 1012, reason: 'restart' });
    await until('the end', async () => {
      const answer = await inspect(`sessions/${session.id}/faults`, 'POST', rule);
      return answer.status === 409 || undefined;
    });
  });
});

describe('the rules', () => {
  it('are checked, listed, removed and bounded', async () => {
    expect((await inspect('faults', 'POST', { fault: 'nonsense' })).status).toBe(400);
    expect((await inspect('faults', 'POST', { fault: 'refuse', status: 200 })).status).toBe(400);
    expect((await inspect('faults', 'POST', { fault: 'hang', why: 1 })).status).toBe(400);
    for (let count = 0; count < MAX_FAULT_RULES; count++) await arm({ fault: 'hang', model: 'x' });
    expect((await inspect('faults', 'POST', { fault: 'hang' })).status).toBe(409);
    expect((await inspect('faults/fault_1', 'DELETE')).status).toBe(200);
    expect((await inspect('faults/fault_1', 'DELETE')).status).toBe(404);
    const list = (await (await inspect('faults', 'DELETE')).json()) as { data: unknown[] };
    expect(list.data).toEqual([]);
  });

  it('can be active from the start', async () => {
    await simulator.close();
    simulator = await startSimulator({ faults: [{ fault: 'refuse', status: 503, times: 1 }] });
    await expect(open()).rejects.toThrow('503');
    await (await open()).close();
  });
});

/** Bounds that are not reached elsewhere, each at its limit. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClientSecrets } from './client-secrets.ts';
import { SessionRecord } from './inspect/record.ts';
import { Registry } from './inspect/registry.ts';
import {
  MAX_BODY_BYTES,
  MAX_CLIENT_SECRETS,
  MAX_COUNTED_TYPES,
  MAX_ENVELOPE_VALUES,
  MAX_OPEN_SESSIONS,
  MAX_QUEUED_CHANNEL_EVENTS,
  MAX_SEND_BACKLOG_BYTES,
} from './limits.ts';
import { Random } from './random.ts';
import { type Simulator, startSimulator } from './server.ts';
import { ManualClock } from './testing/manual-clock.ts';
import { TestSession } from './testing/session.ts';
import { ChannelSink } from './webrtc/channel.ts';

const REQUEST = { path: '', query: {}, headers: {}, auth: null };

function makeRecord(id: string): SessionRecord {
  return new SessionRecord({ id, transport: 'websocket', model: 'm', request: REQUEST, nowMs: 0 });
}

describe('client secrets', () => {
  it('expire, and the oldest falls out', () => {
    const secrets = new ClientSecrets(new Random('x'));
    const first = secrets.create({}, 60, 0);
    expect(secrets.find(first.value, 59_999)).toBe(first);
    expect(secrets.find(first.value, 60_000)).toBeUndefined();
    const oldest = secrets.create({}, 60, 0);
    for (let count = 1; count < MAX_CLIENT_SECRETS; count++) secrets.create({}, 60, 0);
    expect(secrets.find(oldest.value, 0)).toBe(oldest);
    secrets.create({}, 60, 0);
    expect(secrets.find(oldest.value, 0)).toBeUndefined();
  });
});

describe('accounts', () => {
  it('are full at the limit of open sessions', () => {
    const registry = new Registry();
    for (let count = 1; count <= MAX_OPEN_SESSIONS; count++) {
      expect(registry.full).toBe(false);
      registry.add(makeRecord(`sess_${count}`));
    }
    expect(registry.full).toBe(true);
  });

  it('count only so many event types by name', () => {
    const { received } = makeRecord('sess_x');
    for (let count = 0; count < MAX_COUNTED_TYPES + 5; count++) received.count(`type_${count}`, 1);
    const { events } = received.view();
    expect(Object.keys(events)).toHaveLength(MAX_COUNTED_TYPES + 1);
    expect(events.other).toBe(5);
  });

  it('keep one hour of loudness', () => {
    const { envelope } = makeRecord('sess_x');
    const minutes = new Int16Array(24_000 * 600);
    for (let count = 0; count < 7; count++) envelope.push(minutes);
    expect(envelope.view().rms).toHaveLength(MAX_ENVELOPE_VALUES);
  });
});

describe('events for a slow reader', () => {
  it('drop the connection beyond the backlog', () => {
    const test = new TestSession();
    test.sink.backlogBytes = MAX_SEND_BACKLOG_BYTES;
    test.send({ type: 'input_audio_buffer.clear' });
    expect(test.sink.dropped).toBe(false);
    test.sink.backlogBytes = MAX_SEND_BACKLOG_BYTES + 1;
    test.send({ type: 'input_audio_buffer.clear' });
    expect(test.sink.dropped).toBe(true);
  });

  it('wait for a data channel up to a number', () => {
    const options = { settleMs: 0, onMessage: () => {}, onClose: () => {} };
    const sink = new ChannelSink({ clock: new ManualClock(), ...options });
    for (let count = 0; count < MAX_QUEUED_CHANNEL_EVENTS + 5; count++) sink.send('{}');
    expect(sink.queued).toBe(MAX_QUEUED_CHANNEL_EVENTS);
  });
});

describe('request bodies', () => {
  let simulator: Simulator;
  beforeEach(async () => {
    simulator = await startSimulator();
  });
  afterEach(() => simulator.close());

  const post = async (body: string) => {
    const url = `${simulator.url}/v1/realtime/client_secrets`;
    return (await fetch(url, { method: 'POST', body })).status;
  };

  it('end at their limit', async () => {
    expect(await post('{}'.padEnd(MAX_BODY_BYTES))).toBe(200);
    expect(await post('{}'.padEnd(MAX_BODY_BYTES + 1))).toBe(413);
    expect(await post('{')).toBe(400);
    expect(await post('{"session":{"type":"realtime","nonsense":1}}')).toBe(400);
    expect(await post('{"expires_after":{"seconds":5}}')).toBe(400);
  });
});

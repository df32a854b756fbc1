/**
 * Clients that break RFC 6455 at the running server: each is closed with the code for it, before
 * and after the upstream is there, nothing of theirs reaches the model, and memory stays flat.
 */
import type { Session } from '@holdfast/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { exchange, handshake } from '../../packages/server/src/http/testing.ts';
import { eventually } from '../../packages/server/src/realtime/testing/client.ts';
import { type LogWatch, watchLog } from './harness/log-watch.ts';
import { clientFrame, RawSocket } from './harness/raw-socket.ts';
import { type Stack, startStack } from './harness/stacks.ts';

const MIB = 1024 * 1024;
const PATH = '/v1/realtime?model=gpt-realtime';
const TEXT = 0x81;

let stack: Stack;
let log: LogWatch;
let port: number;
beforeAll(async () => {
  stack = await startStack('embedded', {
    // Nobody who breaks off is waited for.
    server: { HOLDFAST_MAX_ACTIVE_SESSIONS: '1000', HOLDFAST_RECONNECT_WINDOW: '0' },
  });
  log = watchLog(stack.servers[0]!.process);
  port = Number(new URL(stack.url).port);
});
afterAll(() => stack?.stop());
afterEach(() => fetch(`${stack.simulatorUrl}/_simulator/faults`, { method: 'DELETE' }));

const json = (event: object) => Buffer.from(JSON.stringify(event));
const badUtf8 = Buffer.concat([
  Buffer.from('{"type":"conversation.item.create","event_id":"'),
  Buffer.from([0xc3, 0x28, 0xff]),
  Buffer.from('"}'),
]);

/** What a client sends, and the code it is closed with. */
const VIOLATIONS: [string, Buffer, number][] = [
  ['an unmasked frame', clientFrame({ first: TEXT, payload: json({}), masked: false }), 1002],
  ['reserved bit 1', clientFrame({ first: TEXT | 0x40, payload: json({}) }), 1002],
  ['reserved bit 2', clientFrame({ first: TEXT | 0x20, payload: json({}) }), 1002],
  ['reserved bit 3', clientFrame({ first: TEXT | 0x10, payload: json({}) }), 1002],
  ['opcode 3', clientFrame({ first: 0x83, payload: json({}) }), 1002],
  ['opcode 11', clientFrame({ first: 0x8b }), 1002],
  ['a ping of 126 bytes', clientFrame({ first: 0x89, payload: Buffer.alloc(126) }), 1002],
  ['a close of 126 bytes', clientFrame({ first: 0x88, payload: Buffer.alloc(126) }), 1002],
  ['a fragmented ping', clientFrame({ first: 0x09 }), 1002],
  ['a close of one byte', clientFrame({ first: 0x88, payload: Buffer.from([3]) }), 1002],
  ['the close code 1005', clientFrame({ first: 0x88, payload: Buffer.from([3, 237]) }), 1002],
  ['a continuation of nothing', clientFrame({ first: 0x80, payload: json({}) }), 1002],
  [
    'a message inside of a message',
    Buffer.concat([clientFrame({ first: 0x01 }), clientFrame({ first: TEXT })]),
    1002,
  ],
  ['text that is not UTF-8', clientFrame({ first: TEXT, payload: badUtf8 }), 1007],
  [
    'a reason that is not UTF-8',
    clientFrame({ first: 0x88, payload: Buffer.from([3, 232, 0xff]) }),
    1007,
  ],
  ['8 EiB announced', clientFrame({ first: TEXT, announcedBytes: 1n << 63n }), 1009],
  ['10 GB announced', clientFrame({ first: TEXT, announcedBytes: 10_000_000_000n }), 1009],
];

/** How many messages of each type the model received, for each session. */
async function received(): Promise<Record<string, number>[]> {
  const answer = await fetch(`${stack.simulatorUrl}/_simulator/sessions`);
  const { data } = (await answer.json()) as {
    data: { received: { events: Record<string, number> } }[];
  };
  return data.map(session => session.received.events);
}

async function sessions(query = ''): Promise<Session[]> {
  const answer = await fetch(`${stack.url}/v1/sessions?limit=100${query}`);
  return ((await answer.json()) as { data: Session[] }).data;
}

/** Waits until no session holds a place, and returns why the newest one ended. */
async function reason(): Promise<string | null> {
  await eventually(async () => (await sessions('&active=true')).length === 0);
  return (await sessions())[0]!.close_reason;
}

describe('a client that sends', () => {
  it.each(VIOLATIONS)('%s is closed with the code for it', async (_name, bytes, code) => {
    const client = await RawSocket.open(port, PATH);
    await client.event('holdfast.session');
    await client.send(bytes);
    expect(await client.closeCode()).toBe(code);
    await client.end();
    expect(await reason()).toBe('client_protocol_error');
  });

  it.each(VIOLATIONS)('%s before the upstream is there, too', async (_name, bytes, code) => {
    const body = JSON.stringify({ fault: 'delay_open', delay_ms: 300, times: 1 });
    await fetch(`${stack.simulatorUrl}/_simulator/faults`, { method: 'POST', body });
    const client = await RawSocket.open(port, PATH);
    await client.send(bytes);
    expect(await client.closeCode()).toBe(code);
    await client.end();
    await eventually(async () => (await sessions('&active=true')).length === 0);
  });

  it('any of these gets none of it through to the model', async () => {
    expect((await received()).flatMap(events => Object.keys(events))).toEqual([]);
  });
});

describe('an event nested deeper than any stack', () => {
  const deep = `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`;
  const update = `{"type":"session.update","session":{"tools":[${deep}]}}`;
  const bytes = clientFrame({ first: TEXT, payload: Buffer.from(update) });

  it('passes to the model, which refuses it', async () => {
    const client = await RawSocket.open(port, PATH);
    await client.event('holdfast.session');
    await client.send(bytes);
    await client.event('error');
    await client.end();
  });

  it('ends a session whose protocol is translated, and no other', async () => {
    const other = await RawSocket.open(port, PATH);
    const client = await RawSocket.open(port, '/openai/realtime?deployment=gpt-realtime');
    await client.event('holdfast.session');
    await client.send(bytes);
    expect(await client.closeCode()).toBe(1011);
    const clear = json({ type: 'input_audio_buffer.clear' });
    await other.send(clientFrame({ first: TEXT, payload: clear }));
    await other.event('input_audio_buffer.cleared');
    await other.end();
  });
});

describe('memory', () => {
  const CLIENTS = 12;
  const OFFERED_BYTES = 32 * MIB;
  /** Garbage until it is collected; a server that kept what it receives would have 384 MiB. */
  const SLACK_BYTES = 96 * MIB;

  async function usedBytes(): Promise<number> {
    const text = await (await fetch(`${stack.url}/metrics`)).text();
    const read = (name: string) => Number(text.match(new RegExp(`^${name} (\\S+)`, 'm'))![1]);
    return read('nodejs_heap_used_bytes') + read('nodejs_external_memory_bytes');
  }

  /** Announces more than is allowed, and sends as much of it as the server takes. */
  async function flood(delayed: boolean): Promise<number> {
    const client = await RawSocket.open(port, PATH);
    if (!delayed) await client.event('holdfast.session');
    const chunk = Buffer.alloc(MIB, 0x61);
    let code: number | undefined;
    const closed = client.closeCode().then(value => {
      code = value;
    });
    await client.send(clientFrame({ first: TEXT, announcedBytes: 10_000_000_000n }));
    while (code === undefined && client.sentBytes < OFFERED_BYTES) await client.send(chunk);
    await closed;
    await client.end();
    return code!;
  }

  it.each([
    ['once the upstream is there', false],
    ['while the upstream is waited for', true],
  ])('stays flat when 10 GB are announced and sent %s', async (_name, delayed) => {
    if (delayed) {
      const body = JSON.stringify({ fault: 'delay_open', delay_ms: 1_500, times: CLIENTS + 1 });
      await fetch(`${stack.simulatorUrl}/_simulator/faults`, { method: 'POST', body });
    }
    await flood(delayed);
    const before = await usedBytes();
    const floods = Array.from({ length: CLIENTS }, () => flood(delayed));
    let peak = before;
    const watch = (async () => {
      let over = false;
      void Promise.allSettled(floods).then(() => {
        over = true;
      });
      while (!over) peak = Math.max(peak, await usedBytes());
    })();
    const codes = await Promise.all(floods);
    await watch;
    expect(codes).toEqual(codes.map(() => 1009));
    expect(peak - before).toBeLessThan(SLACK_BYTES);
    expect((await fetch(`${stack.url}/readyz`)).status).toBe(200);
  });
});

describe('an opening handshake', () => {
  it.each([
    ['without a key', { 'sec-websocket-key': undefined }, 400],
    ['with a short key', { 'sec-websocket-key': 'c2hvcnQ=' }, 400],
    ['of version 8', { 'sec-websocket-version': '8' }, 426],
    ['with a body', { 'content-length': '5' }, 400],
    ['that is chunked', { 'transfer-encoding': 'chunked' }, 400],
  ] as [string, Record<string, string | undefined>, number][])(
    '%s is answered over HTTP',
    async (_name, change, status) => {
      const text = handshake(PATH, { host: `127.0.0.1:${port}`, ...change });
      const answer = await exchange(port, text);
      expect(Number(answer.split(' ')[1])).toBe(status);
    },
  );

  it('offers nothing that the client did not ask for, and accepts no extension', async () => {
    const headers = {
      host: `127.0.0.1:${port}`,
      'sec-websocket-extensions': 'permessage-deflate; client_max_window_bits',
      'sec-websocket-protocol': 'chat, realtime',
    };
    const answer = await exchange(port, handshake(PATH, headers), { until: '\r\n\r\n' });
    expect(answer).toMatch(/^HTTP\/1\.1 101/);
    expect(answer.toLowerCase()).not.toContain('sec-websocket-extensions');
    expect(answer.toLowerCase()).toContain('sec-websocket-protocol: realtime\r\n');
  });
});

it('none of this is logged as a failure of the server', async () => {
  expect(log.find(line => line.level === 'error' || line.level === 'fatal')).toEqual([]);
  const health = (await (await fetch(`${stack.url}/health`)).json()) as { status: string };
  expect(health.status).toBe('healthy');
});

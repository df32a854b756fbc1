import type { ServerResponse } from 'node:http';
import type { EventEnvelope } from '@holdfast/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { createClient } from './client.ts';
import { type Delivery, followRun, followStream, type LineState } from './follow-stream.ts';
import type { StreamGap } from './positions.ts';
import {
  type Answer,
  type Asked,
  HASTY,
  sendProblem,
  startServer,
  type TestServer,
} from './testing/server.ts';

let server: TestServer;
afterEach(() => server.close());

const envelope = (subject: string, seq: number, type = 'agent.message') =>
  ({ subject, seq, type, data: {} }) as EventEnvelope;

/** A run of `length` events, the last of which ends it. */
const log = (subject: string, length: number) =>
  Array.from({ length }, (_, i) =>
    envelope(subject, i + 1, i + 1 === length ? 'run.succeeded' : 'agent.message'),
  );

const frame = (event: EventEnvelope) =>
  `event: ${event.type}\nid: ${event.seq}\ndata: ${JSON.stringify(event)}\n\n`;

function open(response: ServerResponse): ServerResponse {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  return response;
}

const after = (asked: Asked) => Number(asked.headers['last-event-id'] ?? 0);
const client = () => createClient({ baseUrl: server.url });

async function serve(answer: Answer) {
  server = await startServer(answer);
}

/** Everything delivered: numbers as `run:seq`, gaps as they are. */
async function collect(deliveries: AsyncGenerator<Delivery>, until = Number.POSITIVE_INFINITY) {
  const seen: string[] = [];
  const gaps: StreamGap[] = [];
  for await (const delivery of deliveries) {
    if (delivery.kind === 'gap') gaps.push(delivery.gap);
    else seen.push(...delivery.events.map(event => `${event.subject}:${event.seq}`));
    if (seen.length >= until) break;
  }
  return { seen, gaps };
}

const numbers = (subject: string, length: number) =>
  Array.from({ length }, (_, i) => `${subject}:${i + 1}`);

const hasty = { retry: HASTY };

describe('followRun', () => {
  it('resumes where the line was cut, even within an event, and ends with the run', async () => {
    await serve((asked, response) => {
      const rest = log('run_1', 9).filter(event => event.seq > after(asked));
      open(response).write(rest.slice(0, 2).map(frame).join(''));
      const half = frame(rest[2]!);
      if (rest.length <= 3) return void response.end(half);
      response.write(half.slice(0, half.length / 2), () => response.destroy());
    });
    const lines: LineState[] = [];
    const options = { ...hasty, onLine: (line: LineState) => lines.push(line) };
    const { seen } = await collect(followRun(client(), 'run_1', options));
    expect(seen).toEqual(numbers('run_1', 9));
    expect(server.asked.map(after)).toEqual([0, 2, 4, 6]);
    expect(lines.map(line => line.open)).toEqual([true, false, true, false, true, false, true]);
    expect(lines[1]).toMatchObject({ error: { code: 'network' } });
  });

  it('reconnects after a response that ends regularly, without reporting a fault', async () => {
    await serve((asked, response) => {
      const next = log('run_1', 3).find(event => event.seq > after(asked))!;
      open(response).end(frame(next));
    });
    const slow = { retry: { ...HASTY, baseMs: 60_000, maxMs: 60_000 } };
    const { seen } = await collect(followRun(client(), 'run_1', slow));
    expect(seen).toEqual(numbers('run_1', 3));
  });

  it('delivers nothing twice', async () => {
    await serve((_, response) => {
      const all = log('run_1', 4);
      open(response).write([...all.slice(0, 2), ...all.slice(0, 3)].map(frame).join(''));
      if (server.asked.length > 1) response.end(all.map(frame).join(''));
      else response.end();
    });
    const { seen } = await collect(followRun(client(), 'run_1', hasty));
    expect(seen).toEqual(numbers('run_1', 4));
  });

  it('does not skip a hole that was not announced', async () => {
    await serve((asked, response) => {
      const all = log('run_1', 5);
      const first = server.asked.length === 1;
      const rest = first ? [all[0]!, all[3]!] : all.filter(event => event.seq > after(asked));
      open(response).end(rest.map(frame).join(''));
    });
    const { seen, gaps } = await collect(followRun(client(), 'run_1', hasty));
    expect(seen).toEqual(numbers('run_1', 5));
    expect(gaps).toEqual([]);
    expect(server.asked.map(after)).toEqual([0, 1]);
  });

  it('reports a gap that the server announces, and one that it does not', async () => {
    await serve((_, response) => {
      const gap = { subject: 'run_1', snapshot_url: '/v1/runs/run_1' };
      open(response).write(`event: gap\ndata: ${JSON.stringify(gap)}\n\n`);
      response.end([envelope('run_1', 7), envelope('run_1', 9, 'run.failed')].map(frame).join(''));
    });
    const { seen, gaps } = await collect(followRun(client(), 'run_1', { ...hasty, after: 2 }));
    expect(seen).toEqual(['run_1:7', 'run_1:9']);
    expect(gaps).toContainEqual({ subject: 'run_1', after: 2, snapshotUrl: '/v1/runs/run_1' });
  });

  it('ends at once where the server has nothing more (204)', async () => {
    await serve((_, response) => void response.writeHead(204).end());
    const { seen } = await collect(followRun(client(), 'run_1', { ...hasty, after: 9 }));
    expect(seen).toEqual([]);
    expect(server.asked.map(after)).toEqual([9]);
  });

  it('waits while the server is away or a proxy answers, and throws a refusal', async () => {
    await serve((_, response) => {
      const n = server.asked.length;
      if (n === 1) return sendProblem(response, { status: 503, code: 'unavailable' });
      if (n === 2) return void response.writeHead(200, { 'content-type': 'text/html' }).end('<p>');
      if (n === 3) return void response.destroy();
      sendProblem(response, { status: 404, code: 'not_found' });
    });
    await expect(collect(followRun(client(), 'run_1', hasty))).rejects.toMatchObject({
      code: 'not_found',
    });
    expect(server.asked).toHaveLength(4);
  });

  it('counts a silent line as dead, but not one that carries comments', async () => {
    await serve((asked, response) => {
      if (after(asked) === 0) return void open(response).write(frame(envelope('run_1', 1)));
      open(response);
      let comments = 0;
      const speak = setInterval(() => {
        if (comments++ < 8) return response.write(': ka\n\n');
        clearInterval(speak);
        return response.end(frame(envelope('run_1', 2, 'run.canceled')));
      }, 20);
    });
    const { seen } = await collect(followRun(client(), 'run_1', { ...hasty, idleMs: 80 }));
    expect(seen).toEqual(numbers('run_1', 2));
    expect(server.asked.map(after)).toEqual([0, 1]);
  });

  it('reads characters that a packet cuts in two', async () => {
    await serve((_, response) => {
      const event = { ...envelope('run_1', 1, 'run.succeeded'), data: { summary: '直しました' } };
      const bytes = Buffer.from(frame(event as EventEnvelope));
      const cut = bytes.indexOf(Buffer.from('直')) + 1;
      open(response).write(bytes.subarray(0, cut), () => response.end(bytes.subarray(cut)));
    });
    for await (const delivery of followRun(client(), 'run_1', hasty)) {
      expect(delivery).toMatchObject({ events: [{ data: { summary: '直しました' } }] });
    }
  });

  it('hangs up when the reader leaves or aborts', async () => {
    const closed: Promise<void>[] = [];
    await serve((_, response) => {
      closed.push(new Promise(resolve => response.on('close', resolve)));
      open(response).write(frame(envelope('run_1', 1)));
    });
    await collect(followRun(client(), 'run_1', hasty), 1);
    await closed[0];
    const abort = new AbortController();
    const reading = followRun(client(), 'run_1', { ...hasty, signal: abort.signal });
    await reading.next();
    const end = reading.next();
    abort.abort();
    expect(await end).toEqual({ done: true, value: undefined });
    await closed[1];
  });
});

describe('followStream', () => {
  it('follows many runs on one line, each from its own position, until all end', async () => {
    const logs = { run_a: log('run_a', 9), run_b: log('run_b', 4) };
    await serve((asked, response) => {
      const subjects = new URL(asked.url, server.url).searchParams.get('subjects') ?? '';
      const rest = subjects.split(',').flatMap(each => {
        const [id, seq] = each.split(':');
        return logs[id as keyof typeof logs].filter(event => event.seq > Number(seq)).slice(0, 3);
      });
      rest.sort((a, b) => a.seq - b.seq);
      open(response).end(rest.map(frame).join(''));
    });
    const { seen } = await collect(followStream(client(), { run_a: 5, run_b: 0 }, hasty));
    expect(seen.filter(id => id.startsWith('run_a'))).toEqual(numbers('run_a', 9).slice(5));
    expect(seen.filter(id => id.startsWith('run_b'))).toEqual(numbers('run_b', 4));
    const asked = server.asked.map(one => decodeURIComponent(one.url));
    expect(asked).toEqual([
      '/v1/stream?subjects=run_a:5,run_b:0',
      '/v1/stream?subjects=run_a:8,run_b:3',
    ]);
  });

  it('sends no request where there is nothing to follow', async () => {
    await serve((_, response) => void response.end());
    expect(await collect(followStream(client(), {}, hasty))).toEqual({ seen: [], gaps: [] });
    expect(server.asked).toEqual([]);
  });
});

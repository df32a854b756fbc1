import type { EventEnvelope } from '@holdfast/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { createClient } from './client.ts';
import { followEvents } from './follow-events.ts';
import { HASTY, sendJson, sendProblem, startServer, type TestServer } from './testing/server.ts';

let server: TestServer;
afterEach(() => server.close());

const HASTY_FOLLOW = { minDelayMs: 1, maxDelayMs: 4 };

/** A log that can grow, served in pages as the server does. */
async function serveLog(length: number, failing: () => number | null = () => null) {
  const log = { length };
  server = await startServer((asked, response) => {
    const status = failing();
    if (status !== null) return sendProblem(response, { status, code: 'unavailable' });
    const query = new URL(asked.url, server.url).searchParams;
    const after = Number(query.get('after'));
    const limit = Number(query.get('limit'));
    const data = Array.from({ length: log.length }, (_, i) => ({ seq: i + 1 }) as EventEnvelope);
    sendJson(response, {
      data: data.filter(e => e.seq > after).slice(0, limit),
      next_cursor: null,
    });
  });
  return log;
}

const makeClient = () => createClient({ baseUrl: server.url, retry: { ...HASTY, retries: 0 } });

describe('followEvents', () => {
  it('gives every event once and in order, across pages and while the log grows', async () => {
    const log = await serveLog(7);
    const abort = new AbortController();
    const seen: number[] = [];
    const options = { ...HASTY_FOLLOW, pageSize: 3, signal: abort.signal };
    for await (const batch of followEvents(makeClient(), 'ses_1', options)) {
      seen.push(...batch.map(event => event.seq));
      if (seen.length === 7) log.length = 12;
      if (seen.length === 12) abort.abort();
    }
    expect(seen).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
  });

  it('begins after a position', async () => {
    await serveLog(5);
    for await (const batch of followEvents(makeClient(), 's', { ...HASTY_FOLLOW, after: 3 })) {
      expect(batch.map(event => event.seq)).toEqual([4, 5]);
      break;
    }
  });

  it('continues after the server was away, and reports each failed poll', async () => {
    let left = 2;
    await serveLog(1, () => (left-- > 0 ? 503 : null));
    const errors: string[] = [];
    const options = { ...HASTY_FOLLOW, onError: (e: { code: string }) => errors.push(e.code) };
    for await (const batch of followEvents(makeClient(), 's', options)) {
      expect(batch).toHaveLength(1);
      break;
    }
    expect(errors).toEqual(['unavailable', 'unavailable']);
  });

  it('throws when the server refuses', async () => {
    await serveLog(1, () => 404);
    const reading = followEvents(makeClient(), 's', HASTY_FOLLOW).next();
    await expect(reading).rejects.toMatchObject({ status: 404 });
  });

  it('ends quietly when aborted while waiting', async () => {
    await serveLog(0);
    const abort = new AbortController();
    const reading = followEvents(makeClient(), 's', { minDelayMs: 60_000, signal: abort.signal });
    const next = reading.next();
    while (server.asked.length === 0) await new Promise(resolve => setImmediate(resolve));
    abort.abort();
    expect(await next).toEqual({ done: true, value: undefined });
  });
});

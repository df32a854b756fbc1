/** Upstreams that fail, callers that leave, and the bounds, each with what it costs. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { sql } from 'kysely';
import { beforeEach, describe, expect, it } from 'vitest';
import { CATALOGUE_KEY, openGatewayHost } from '../testing/host.ts';
import { openScriptedUpstream, usedTokens } from '../testing/upstream.ts';
import { useGateway } from '../testing/world.ts';

const MAX_BODY_BYTES = 2_000;
const LIMITS = {
  maxBodyBytes: MAX_BODY_BYTES,
  maxReadChars: 1_000,
  headerTimeoutMs: 300,
  idleTimeoutMs: 300,
  maxCallsPerCaller: 2,
  maxHeldBytesPerCaller: 2 * MAX_BODY_BYTES - 1_000,
};
let run: { id: string; token: string };

const world = useGateway(LIMITS);
beforeEach(async () => {
  run = await world.host.newRun();
});

const ask = (rest: Record<string, unknown> = {}, init: RequestInit = {}) =>
  world.host.request('/model/openai/v1/responses', {
    method: 'POST',
    headers: { authorization: `Bearer ${run.token}` },
    body: JSON.stringify({ model: 'coder', input: 'x', max_output_tokens: 100, ...rest }),
    ...init,
  });

async function reservation() {
  const { rows } = await sql<{ reserved_usd: number; settled_usd: number | null }>`
    select reserved_usd, settled_usd from reservations where run_id = ${run.id}
  `.execute(world.database.db);
  return rows[0];
}

/** Settled at what it reserved. */
async function settledInFull(): Promise<boolean> {
  const row = await reservation();
  return row !== undefined && row.reserved_usd > 0 && row.settled_usd === row.reserved_usd;
}

const refuse = (status: number, text: string, headers = {}) => {
  world.upstream.answer = response => response.writeHead(status, headers).end(text);
};
const stream = (work: (response: ServerResponse) => void) => {
  world.upstream.answer = response => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: {}\n\n', () => work(response));
  };
};

describe('an upstream that refuses', () => {
  it.each([400, 403, 404, 429, 500, 503, 529])('%d passes and costs nothing', async status => {
    refuse(status, `{"error":{"message":"why ${CATALOGUE_KEY}"}}`, {
      'content-type': 'application/json',
      'retry-after': '7',
      'x-internal': 'ours',
    });
    const answer = await ask();
    expect(answer.status).toBe(status);
    expect(answer.headers.get('retry-after')).toBe('7');
    expect(answer.headers.get('x-internal')).toBeNull();
    expect(await answer.json()).toEqual({ error: { message: 'why (hidden)' } });
    await expect.poll(reservation).toMatchObject({ settled_usd: 0 });
  });

  it('401 is about our key, so it is not the caller’s', async () => {
    refuse(401, '{"error":{"message":"Incorrect API key provided: cata****ator"}}');
    const answer = await ask();
    expect(answer.status).toBe(502);
    expect(await answer.text()).not.toContain('cata');
  });

  it('a redirect is not followed', async () => {
    refuse(302, '', { location: 'http://169.254.169.254/' });
    expect((await ask()).status).toBe(503);
    expect(world.upstream.seen).toHaveLength(1);
  });
});

describe('an upstream that is lost', () => {
  it('unreachable: 502 in the protocol’s shape, and costs nothing', async () => {
    const gone = await openScriptedUpstream();
    await gone.close();
    const other = await openGatewayHost(world.database, { upstreamUrl: gone.url });
    try {
      const { id, token } = await other.newRun();
      run = { id, token };
      const answer = await other.overSocket(id, '/model/anthropic/v1/messages', {
        headers: { 'x-api-key': token },
        body: { model: 'claude', max_tokens: 5 },
      });
      expect(answer.status).toBe(502);
      expect(JSON.parse(answer.text)).toMatchObject({
        type: 'error',
        error: { type: 'api_error' },
      });
      await expect.poll(reservation).toMatchObject({ settled_usd: 0 });
    } finally {
      await other.close();
    }
  });

  it('that never finishes its handshake: 504, and costs nothing', async () => {
    const mute = createServer(() => {}).listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const { port } = mute.address() as AddressInfo;
    const limits = { connectTimeoutMs: 200 };
    const upstreamUrl = `https://127.0.0.1:${port}`;
    const other = await openGatewayHost(world.database, { upstreamUrl, limits });
    try {
      run = await other.newRun();
      const answer = await other.overSocket(run.id, '/model/openai/v1/responses', {
        headers: { authorization: `Bearer ${run.token}` },
        body: { model: 'coder', input: 'x' },
      });
      expect(answer.status).toBe(504);
      await expect.poll(reservation).toMatchObject({ settled_usd: 0 });
    } finally {
      await other.close();
      mute.close();
    }
  });

  it('that drips for ever: cut off when its whole time is over', async () => {
    const limits = { totalTimeoutMs: 500 };
    const other = await openGatewayHost(world.database, {
      upstreamUrl: world.upstream.url,
      limits,
    });
    let drip: NodeJS.Timeout | undefined;
    stream(response => {
      drip = setInterval(() => response.write(': drip\n\n'), 50);
      response.once('close', () => clearInterval(drip));
    });
    try {
      run = await other.newRun();
      const answer = await other.request('/model/openai/v1/responses', {
        method: 'POST',
        headers: { authorization: `Bearer ${run.token}` },
        body: JSON.stringify({ model: 'coder', input: 'x', stream: true }),
      });
      await expect(answer.text()).rejects.toThrow();
      await expect.poll(settledInFull).toBe(true);
    } finally {
      clearInterval(drip);
      await other.close();
    }
  });

  it('silent: 504 when its time is over, and costs the reservation', async () => {
    world.upstream.answer = () => {};
    const answer = await ask();
    expect(answer.status).toBe(504);
    await expect.poll(settledInFull).toBe(true);
  });

  it.each([
    ['stuck', () => {}],
    ['cut off', (response: ServerResponse) => response.destroy()],
  ])('%s in the middle: the caller sees a torn stream', async (_, work) => {
    stream(work);
    const answer = await ask({ stream: true });
    expect(answer.status).toBe(200);
    await expect(answer.text()).rejects.toThrow();
    await expect.poll(settledInFull).toBe(true);
  });

  it('ended without usage: costs the reservation', async () => {
    stream(response => response.end());
    expect(await (await ask({ stream: true })).text()).toBe('data: {}\n\n');
    await expect.poll(settledInFull).toBe(true);
  });
});

describe('a caller that leaves', () => {
  it('takes the upstream’s call with it, and pays the reservation', async () => {
    const closed = Promise.withResolvers<void>();
    stream(response => response.once('close', () => closed.resolve()));
    const leaving = new AbortController();
    const answer = await ask({ stream: true }, { signal: leaving.signal });
    await answer.body!.getReader().read();
    leaving.abort();
    await closed.promise;
    await expect.poll(settledInFull).toBe(true);
  });
});

describe('bounds', () => {
  const bodyOf = (sizeBytes: number) => {
    const empty = JSON.stringify({ model: 'coder', input: '' });
    return JSON.stringify({ model: 'coder', input: 'x'.repeat(sizeBytes - empty.length) });
  };

  it('a body at the limit passes, one byte more is 413', async () => {
    world.upstream.answer = response => response.end(usedTokens(1, 1));
    expect((await ask({}, { body: bodyOf(MAX_BODY_BYTES) })).status).toBe(200);
    const answer = await ask({}, { body: bodyOf(MAX_BODY_BYTES + 1) });
    expect(answer.status).toBe(413);
    expect(await answer.json()).toMatchObject({ error: { code: 'payload_too_large' } });
  });

  it('so is one without a declared length', async () => {
    const body = new Blob([bodyOf(MAX_BODY_BYTES + 1)]).stream();
    const init = { body, duplex: 'half' } as RequestInit;
    expect((await ask({}, init)).status).toBe(413);
  });

  it('an event at the limit is read, a longer one is passed on unread', async () => {
    for (const [chars, isRead] of [
      [1_000, true],
      [1_001, false],
    ] as const) {
      run = await world.host.newRun();
      const padding = chars - `data:${usedTokens(1, 1)}`.length;
      const data = `data:${usedTokens(1, 1)}${' '.repeat(padding)}\n\n`;
      stream(response => response.end(data));
      expect(await (await ask({ stream: true })).text()).toBe(`data: {}\n\n${data}`);
      await expect.poll(async () => (await reservation())?.settled_usd ?? null).not.toBeNull();
      expect(await settledInFull()).toBe(!isRead);
    }
  });

  it('so many bytes of bodies of one caller at once', async () => {
    const held: ServerResponse[] = [];
    world.upstream.answer = response => void held.push(response);
    const long = { input: 'x'.repeat(MAX_BODY_BYTES - 200) };
    const waiting = ask(long);
    await expect.poll(() => held.length).toBe(1);
    const answer = await ask(long);
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '5']);
    expect(await answer.text()).toContain('bodies of calls at once');
    held[0]!.end(usedTokens(1, 1));
    expect((await waiting).status).toBe(200);
    world.upstream.answer = response => response.end(usedTokens(1, 1));
    // The place is given back a moment after the answer.
    await expect.poll(async () => (await ask(long)).status).toBe(200);
  });

  it('so many calls of one caller at once', async () => {
    const held: ServerResponse[] = [];
    world.upstream.answer = response => void held.push(response);
    const leaving = new AbortController();
    const waiting = [1, 2].map(() => ask({}, { signal: leaving.signal }).catch(() => {}));
    await expect.poll(() => held.length).toBe(2);
    const answer = await ask();
    expect(answer.status).toBe(429);
    expect(answer.headers.get('retry-after')).toBe('5');
    leaving.abort();
    await Promise.all(waiting);
    await Promise.all(held.map(one => one.destroyed || once(one, 'close')));
    world.upstream.answer = response => response.end(usedTokens(1, 1));
    await expect.poll(async () => (await ask()).status).toBe(200);
  });
});

import { setTimeout as delay } from 'node:timers/promises';
import type { Role } from '@holdfast/protocol';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { HoldfastError, newId } from '../kernel/index.ts';
import { READ_MAX_EVENTS } from '../platform/log/index.ts';
import type { ClaimedRun } from './index.ts';
import { withRunsHost } from './testing/databases.ts';
import { CALLER, type RunsHost } from './testing/host.ts';
import { SseConnection } from './testing/sse-client.ts';

const SUCCESS = { status: 'succeeded', reason: null, summary: 'Done.' } as const;
const OWN = { 'x-caller': CALLER };

withRunsHost(open => {
  let host: RunsHost;
  const connections: SseConnection[] = [];
  beforeAll(async () => {
    host = await open({ recheckMs: 50 });
  });
  afterEach(() => {
    host.rights.role = undefined;
    for (const connection of connections.splice(0)) connection.cut();
  });

  const connect = (path: string, headers: Record<string, string> = OWN) => {
    const connection = new SseConnection(host.url + path, headers);
    connections.push(connection);
    return connection;
  };
  const streamOf = (run: string) => `/v1/runs/${run}/stream`;
  const output = (text: string) =>
    ({ type: 'agent.output', data: { stream: 'stdout' }, private: { text } }) as const;
  const say = (run: ClaimedRun, ...texts: string[]) =>
    host.runs.driver.append(run, texts.map(output));
  const ids = (connection: SseConnection) => connection.messages.map(message => message.id);
  const numbers = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, i) => String(from + i));
  /** A claimed run: its log holds `run.created` and `run.started`. */
  async function newRun(): Promise<ClaimedRun> {
    const [id] = await host.newRuns('builtin');
    return host.claim(id!);
  }
  async function endedRun(events: number): Promise<ClaimedRun> {
    const run = await newRun();
    for (let seq = 3; seq < events; seq += 1) await say(run, `line ${seq}\n`);
    await host.runs.driver.finish(run, SUCCESS);
    return run;
  }

  describe('who may not follow', () => {
    it('a run of another project, or one that is not there', async () => {
      const run = await newRun();
      const stranger = { 'x-caller': 'Admin:eve:elsewhere' };
      for (const path of [streamOf(run.id), `/v1/stream?subjects=${run.id}:0`]) {
        const one = connect(path, stranger);
        await one.until(() => one.head !== '');
        expect(one.status).toBe(404);
      }
      expect((await host.request(streamOf(newId('run')))).status).toBe(404);
      expect((await host.request(streamOf('x'))).status).toBe(404);
      const { status } = await host.send(
        'POST',
        '/v1/stream/tickets',
        { subjects: [run.id] },
        { caller: 'Admin:eve:elsewhere' },
      );
      expect(status).toBe(404);
    });

    it('Viewers see no private field, Admins do and are recorded', async () => {
      const run = await newRun();
      await say(run, 'between us');
      const viewer = connect(streamOf(run.id), { 'x-caller': 'Viewer:vic:default' });
      await viewer.until(() => viewer.messages.length === 3);
      expect(JSON.stringify(viewer.messages)).not.toMatch(/between us|Do it/);
      expect(JSON.parse(viewer.messages[2]!.data)).toMatchObject({ seq: 3, redacted: true });
      host.audited.length = 0;
      const admin = connect(streamOf(run.id), { 'x-caller': 'Admin:ada:default' });
      await admin.until(() => admin.messages.length === 3);
      expect(admin.messages[2]!.data).toContain('between us');
      expect(host.audited).toMatchObject([{ principal: 'ada', target: run.id }]);
      await say(run, 'still between us');
      await viewer.until(() => viewer.messages.length === 4);
      expect(JSON.stringify(viewer.messages)).not.toContain('between us');
    });

    it('a caller that loses the right while it follows', async () => {
      const run = await newRun();
      const one = connect(streamOf(run.id));
      await one.until(() => one.messages.length === 2);
      host.rights.role = null;
      await one.until(() => one.ended);
      const other = connect(streamOf(run.id));
      await other.until(() => other.head !== '');
      expect(other.status).toBe(401);
    });

    it('a caller whose sign-in is over, while the guard cannot ask', async () => {
      let tell: (role: Role | null) => void = () => {};
      const follow = (_rights: unknown, onRole: typeof tell) => {
        tell = onRole;
        return () => {};
      };
      const away = await open({ watch: { follow } });
      const [id] = await away.newRuns('builtin');
      const one = new SseConnection(`${away.url}/v1/runs/${id}/stream`, OWN);
      await one.until(() => one.messages.length === 1);
      away.rights.fault = new HoldfastError('unavailable', 'Away.');
      tell('Viewer');
      await delay(100);
      expect(one.ended).toBe(false);
      tell(null);
      await one.until(() => one.ended);
    });

    it('a caller that is no longer an Admin', async () => {
      const run = await newRun();
      const one = connect(streamOf(run.id), { 'x-caller': 'Admin:ada:default' });
      await one.until(() => one.messages.length === 2);
      host.rights.role = 'Viewer';
      await one.until(() => one.ended);
    });

    it('more than a ticket names', async () => {
      const run = await newRun();
      const other = await newRun();
      const minted = await host.send('POST', '/v1/stream/tickets', { subjects: [run.id] });
      expect(minted).toMatchObject({
        status: 201,
        body: { ticket: expect.stringMatching(/^st_/) },
      });
      const query = `ticket=${minted.body.ticket}`;
      for (const path of [
        `${streamOf(other.id)}?${query}`,
        `/v1/stream?subjects=${run.id}:0,${other.id}:0&${query}`,
      ]) {
        const refused = connect(path, {});
        await refused.until(() => refused.head !== '');
        expect(refused.status).toBe(404);
      }
      const lifeS = (Date.parse(minted.body.expires_at) - Date.now()) / 1000;
      expect(lifeS).toBeGreaterThan(14 * 60);
      expect(lifeS).toBeLessThanOrEqual(15 * 60 + 5);
      for (let use = 0; use < 2; use += 1) {
        const allowed = connect(`${streamOf(run.id)}?${query}`, {});
        await allowed.until(() => allowed.messages.length === 2);
        expect(allowed.messages[0]?.data).toContain('Do it.');
      }
      const forged = connect(`${streamOf(run.id)}?ticket=st_${'x'.repeat(43)}`, {});
      await forged.until(() => forged.head !== '');
      expect(forged.status).toBe(401);
    });
  });

  it('has headers for proxies and browsers', async () => {
    const run = await newRun();
    const one = connect(streamOf(run.id), { ...OWN, 'accept-encoding': 'gzip, br' });
    await one.until(() => one.messages.length === 2);
    expect(one.head.toLowerCase()).toContain('content-type: text/event-stream');
    expect(one.head.toLowerCase()).toContain('cache-control: no-cache, no-transform');
    expect(one.head.toLowerCase()).toContain('x-accel-buffering: no');
    expect(one.head.toLowerCase()).toContain('x-request-id: ');
    expect(one.head.toLowerCase()).not.toContain('content-encoding');
    expect(one.messages[0]).toMatchObject({ id: '1', event: 'run.created' });
  });

  it('replays the whole log of an ended run and ends, from any place', async () => {
    const events = READ_MAX_EVENTS + 50;
    const run = await newRun();
    for (let sent = 3; sent < events; ) {
      const more = Math.min(100, events - sent);
      await say(run, ...Array.from({ length: more }, (_, i) => `${sent + i}`));
      sent += more;
    }
    await host.runs.driver.finish(run, SUCCESS);
    const whole = connect(streamOf(run.id));
    await whole.until(() => whole.ended);
    expect(ids(whole)).toEqual(numbers(1, events));
    expect(whole.messages.at(-1)?.event).toBe('run.succeeded');
    const late = connect(`${streamOf(run.id)}?last_event_id=3`, {
      ...OWN,
      'last-event-id': String(events - 2),
    });
    await late.until(() => late.ended);
    expect(ids(late)).toEqual(numbers(events - 1, events));
  });

  it('answers 204 only once the terminal event was received', async () => {
    const run = await endedRun(4);
    const ask = async (cursor: number) =>
      (await host.request(`${streamOf(run.id)}?last_event_id=${cursor}`)).status;
    expect(await ask(3)).toBe(200);
    expect(await ask(4)).toBe(204);
    await host.send('POST', `/v1/runs/${run.id}/pick`);
    expect(await ask(3)).toBe(200);
    expect(await ask(4)).toBe(204);
    expect(await ask(5)).toBe(204);
    // More late facts than one read answers.
    for (let picked = 0; picked <= READ_MAX_EVENTS; picked += 1) {
      await host.send('POST', `/v1/runs/${run.id}/pick`);
    }
    expect(await ask(3)).toBe(200);
    expect(await ask(4)).toBe(204);
    const replay = connect(streamOf(run.id));
    await replay.until(() => replay.ended);
    expect(ids(replay)).toEqual(numbers(1, 4));
    const both = await host.request(`/v1/stream?subjects=${run.id}:4`);
    expect(both.status).toBe(204);
  });

  it.each(['x', '-1', '1.5', '1e3', ' ', '9'.repeat(16), '99'])(
    'refuses the cursor %j',
    async bad => {
      const run = await newRun();
      const query = `last_event_id=${encodeURIComponent(bad)}`;
      const { status, body } = await host.send('GET', `${streamOf(run.id)}?${query}`);
      expect([status, body.code]).toEqual([400, 'invalid_request']);
      if (bad === ' ') return;
      const headers = { ...OWN, 'last-event-id': bad };
      const byHeader = connect(streamOf(run.id), headers);
      await byHeader.until(() => byHeader.head !== '');
      expect(byHeader.status).toBe(400);
    },
  );

  it('follows many logs on one connection, and resumes from its cursor', async () => {
    const runs = [await newRun(), await newRun()];
    const [a, b] = runs.map(run => run.id);
    await say(runs[0]!, 'a3', 'a4');
    const path = `/v1/stream?subjects=${a}:1,${b}:0`;
    const first = connect(path);
    await first.until(() => first.messages.length === 5);
    await say(runs[1]!, 'b3');
    await first.until(() => first.messages.length === 6);
    const cursor = first.messages.at(-1)!.id!;
    expect(cursor.length).toBeLessThan(100);
    first.cut();
    await say(runs[0]!, 'a5');
    await host.runs.driver.finish(runs[0]!, SUCCESS);
    await host.runs.driver.finish(runs[1]!, SUCCESS);
    const second = connect(path, { ...OWN, 'last-event-id': cursor });
    await second.until(() => second.ended);
    const seen = [...first.messages, ...second.messages].map(message => {
      const { subject, seq } = JSON.parse(message.data);
      return `${subject === a ? 'a' : 'b'}${seq}`;
    });
    expect(seen.filter(one => one.startsWith('a'))).toEqual(['a2', 'a3', 'a4', 'a5', 'a6']);
    expect(seen.filter(one => one.startsWith('b'))).toEqual(['b1', 'b2', 'b3', 'b4']);
    for (const [subjects, header] of [
      [`${b}:0,${a}:0`, cursor],
      [`${a}:0`, cursor],
      [`${a}:0,${b}:0`, '7'],
      [`${a}:0,${a}:0`, ''],
      [`${a}:x`, ''],
      [`${a}:99`, ''],
      ['', ''],
      [Array.from({ length: 51 }, () => newId('run')).join(), ''],
    ]) {
      const headers = { 'last-event-id': header ?? '' };
      const { status } = await host.request(`/v1/stream?subjects=${subjects}`, { headers });
      expect([subjects, status]).toEqual([subjects, 400]);
    }
  });

  it("has the seed's format, with our numbers", async () => {
    const run = await newRun();
    const path = `${streamOf(run.id)}?format=dursor`;
    const one = connect(path);
    await one.until(() => one.messages.length === 3);
    await say(run, 'hello');
    await host.runs.driver.finish(run, SUCCESS);
    await one.until(() => one.ended);
    expect(one.messages.map(({ id, event, data }) => [id, event, JSON.parse(data)])).toEqual([
      [null, null, { type: 'initial', status: 'running' }],
      ['1', null, { type: 'progress', message: 'run.created', event_id: 1 }],
      ['2', null, { type: 'progress', message: 'run.started', event_id: 2 }],
      ['3', null, { type: 'log', stream: 'stdout', message: 'hello', event_id: 3 }],
      [
        '4',
        null,
        {
          type: 'completed',
          summary: 'Done.',
          patch_url: `/v1/runs/${run.id}/patch`,
          event_id: 4,
        },
      ],
    ]);
    const [canceled] = await host.newRuns('builtin');
    await host.send('POST', `/v1/runs/${canceled}/cancel`);
    const two = connect(`${streamOf(canceled!)}?format=dursor`);
    await two.until(() => two.ended);
    expect(JSON.parse(two.messages.at(-1)!.data)).toMatchObject({ type: 'cancelled' });
  });

  it('reports that events are no longer kept, and the URL of the snapshot', async () => {
    const run = await endedRun(6);
    await host.database.db
      .withTables<{ events: { subject: string; seq: number } }>()
      .deleteFrom('events')
      .where('subject', '=', run.id)
      .where('seq', '<=', 3)
      .execute();
    const one = connect(`${streamOf(run.id)}?last_event_id=1`);
    await one.until(() => one.ended);
    const [gap, ...rest] = one.messages;
    expect(gap).toMatchObject({ id: null, event: 'gap' });
    expect(JSON.parse(gap!.data)).toEqual({
      type: 'gap',
      subject: run.id,
      after: 1,
      next: 4,
      snapshot_url: `/v1/runs/${run.id}`,
    });
    expect(rest.map(message => message.id)).toEqual(numbers(4, 6));
  });

  it('gives eight followers 1…N while events come and connections are cut', async () => {
    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
    console.log(`SEED=${seed}`);
    const random = generator(seed);
    const run = await newRun();
    const total = 300;
    const followers = Array.from({ length: 8 }, () => followCut(run.id, random));
    for (let sent = 2; sent < total - 1; ) {
      const count = Math.min(1 + Math.floor(random() * 8), total - 1 - sent);
      await say(run, ...Array.from({ length: count }, () => 'x'.repeat(200)));
      sent += count;
    }
    await host.runs.driver.finish(run, SUCCESS);
    for (const seen of await Promise.all(followers)) {
      expect(seen).toEqual(Array.from({ length: total }, (_, i) => i + 1));
    }
    await expect.poll(() => [host.streams.size, host.streams.feeds]).toEqual([0, 0]);
  });

  /** Follows to the end, cutting its line at random; answers every number it saw, in order. */
  async function followCut(run: string, random: () => number): Promise<number[]> {
    const seen: number[] = [];
    for (;;) {
      const headers = { ...OWN, 'last-event-id': String(seen.at(-1) ?? 0) };
      const one = connect(streamOf(run), seen.length === 0 ? OWN : headers);
      const cutAfter = 1 + Math.floor(random() * 60);
      await one.until(() => one.ended || one.messages.length >= cutAfter);
      one.cut();
      seen.push(...one.messages.map(message => Number(message.id)));
      if (one.messages.at(-1)?.event === 'run.succeeded') return seen;
    }
  }
});

/** mulberry32 */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

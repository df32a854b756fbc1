import { beforeAll, describe, expect, it } from 'vitest';
import { type ClaimedRun, RUN_KIND } from '../../runs/index.ts';
import { withRunsHost } from '../../runs/testing/databases.ts';
import type { RunsHost } from '../../runs/testing/host.ts';
import { SseConnection } from '../../runs/testing/sse-client.ts';
import { type Feed, Feeds, TAIL_MAX_BYTES, TAIL_MAX_EVENTS } from './feed.ts';

/** The last event of a run that was just taken: `run.created`, `run.started`. */
const TAKEN = 2;

withRunsHost(open => {
  let host: RunsHost;
  let feeds: Feeds;
  beforeAll(async () => {
    host = await open({ streamsMax: 2 });
    feeds = new Feeds(host.deps);
  });

  async function newRun(): Promise<ClaimedRun> {
    const [id] = await host.newRuns('builtin');
    return host.claim(id!);
  }
  const say = (run: ClaimedRun, count: number, chars: number) =>
    host.runs.driver.append(
      run,
      Array.from({ length: count }, () => ({
        type: 'agent.output' as const,
        data: { stream: 'stdout' },
        private: { text: 'x'.repeat(chars) },
      })),
    );
  /** Resolves when the feed has events up to `seq`. */
  const reached = (feed: Feed, seq: number) =>
    expect.poll(() => feed.latest(seq - 1)?.last, { timeout: 10_000 }).toBe(seq);
  async function readAll(feed: Feed, until: number): Promise<number[]> {
    const seen: number[] = [];
    while ((seen.at(-1) ?? 0) < until) {
      const batch = await feed.after(seen.at(-1) ?? 0);
      seen.push(...(batch?.frames ?? []).map(frame => frame.seq));
    }
    return seen;
  }

  describe('a feed', () => {
    it.each([
      ['events', TAIL_MAX_EVENTS + 10, 10],
      ['bytes', Math.ceil((TAIL_MAX_BYTES / 40_000) * 2), 40_000],
    ])('keeps a bounded number of %s; a late reader reads the log', async (_what, count, chars) => {
      const run = await newRun();
      const feed = feeds.join(
        { subject: run.id, kind: RUN_KIND, includePrivate: true },
        TAKEN,
        TAKEN,
      );
      for (let sent = 0; sent < count; ) {
        const more = Math.min(count - sent, 20);
        await say(run, more, chars);
        sent += more;
      }
      const last = count + TAKEN;
      await reached(feed, last);
      expect(feed.isBehind(TAKEN)).toBe(true);
      expect(feed.isBehind(last - 2)).toBe(false);
      expect(feed.latest(TAKEN)).toBeUndefined();
      expect(await readAll(feed, last)).toEqual(Array.from({ length: last }, (_, i) => i + 1));
      feed.leave();
      expect(feeds.size).toBe(0);
    });

    it('is shared by readers with the same rights, and separate for those with fewer', async () => {
      const run = await newRun();
      const key = { subject: run.id, kind: RUN_KIND, includePrivate: true };
      const one = feeds.join(key, TAKEN, TAKEN);
      const other = feeds.join(key, TAKEN, TAKEN);
      const viewer = feeds.join({ ...key, includePrivate: false }, TAKEN, TAKEN);
      expect(other).toBe(one);
      expect(viewer).not.toBe(one);
      await say(run, 1, 5);
      await reached(one, TAKEN + 1);
      await reached(viewer, TAKEN + 1);
      expect(one.latest(TAKEN)).toBe(one.latest(TAKEN));
      expect(one.latest(TAKEN)?.frames[0]?.body).toContain('xxxxx');
      expect(viewer.latest(TAKEN)?.frames[0]?.body).not.toContain('xxxxx');
      for (const feed of [one, other, viewer]) feed.leave();
      expect(feeds.size).toBe(0);
    });

    it('is over when its log is erased, and wakes waiting readers', async () => {
      const run = await newRun();
      const feed = feeds.join(
        { subject: run.id, kind: RUN_KIND, includePrivate: true },
        TAKEN,
        TAKEN,
      );
      await host.runs.driver.abandon(run);
      await host.database.transaction(trx => host.log.erase(trx, run.id));
      await new Promise<void>(resolve => feed.onWake(resolve));
      expect(feed.over).toBe(true);
      feed.leave();
    });
  });

  it('opens a bounded number of streams', async () => {
    const run = await newRun();
    const url = `${host.url}/v1/runs/${run.id}/stream`;
    const caller = { 'x-caller': 'Developer:ann:default' };
    const lines = [1, 2, 3].map(() => new SseConnection(url, caller));
    await Promise.all(lines.map(line => line.until(() => line.head !== '')));
    expect(lines.map(line => line.status).toSorted()).toEqual([200, 200, 503]);
    for (const line of lines) line.cut();
    await expect.poll(() => host.streams.size).toBe(0);
    expect((await host.request(`/v1/runs/${run.id}/events`)).status).toBe(200);
  });
});

import type { Delivery, followStream, StreamOptions } from '@holdfast/client';
import type { EventEnvelope } from '@holdfast/protocol';
import { describe, expect, it } from 'vitest';
import { EVENTS_MAX, FOLLOWED_MAX, RunStore } from './run-store.ts';

const envelope = (subject: string, seq: number, type = 'agent.message') =>
  ({ subject, seq, type, data: {} }) as EventEnvelope;
const settled = () => new Promise(resolve => setTimeout(resolve));

/** One stream that the store opened; the test sends its events. */
class Line {
  readonly start: Readonly<Record<string, number>>;
  readonly options: StreamOptions;
  private wake = () => {};
  private queue: (Delivery | 'end' | Error)[] = [];

  constructor(start: Readonly<Record<string, number>>, options: StreamOptions) {
    this.start = start;
    this.options = options;
    options.signal?.addEventListener('abort', () => this.wake());
  }

  send(...next: (Delivery | 'end' | Error)[]) {
    this.queue.push(...next);
    this.wake();
    return settled();
  }

  async *read(): AsyncGenerator<Delivery, void> {
    for (;;) {
      while (this.queue.length === 0) {
        if (this.options.signal?.aborted) return;
        await new Promise<void>(resolve => {
          this.wake = resolve;
        });
      }
      const next = this.queue.shift()!;
      if (next === 'end') return;
      if (next instanceof Error) throw next;
      yield next;
    }
  }
}

function makeStore(known: readonly string[] = []) {
  const lines: Line[] = [];
  const delivered: string[] = [];
  const follow = ((_: unknown, start: Record<string, number>, options: StreamOptions = {}) => {
    const line = new Line(start, options);
    lines.push(line);
    return line.read();
  }) as typeof followStream;
  const http = {
    json: async (path: string) => {
      if (!known.some(id => path.endsWith(id))) throw new Error('not found');
    },
  };
  const store = new RunStore({ http } as never, {
    follow,
    schedule: flush => flush(),
    onEvents: (id, events) => delivered.push(...events.map(event => `${id}:${event.seq}`)),
  });
  return { store, lines, delivered };
}

const events = (...list: EventEnvelope[]): Delivery => ({ kind: 'events', events: list });

describe('RunStore', () => {
  it('follows all runs of a page on one stream', async () => {
    const { store, lines, delivered } = makeStore();
    store.watch('a');
    store.watch('b');
    await settled();
    expect(lines.map(line => line.start)).toEqual([{ a: 0, b: 0 }]);
    await lines[0]!.send(events(envelope('a', 1), envelope('b', 1), envelope('a', 2)));
    expect(store.snapshot('a').events.map(event => event.seq)).toEqual([1, 2]);
    expect(store.snapshot('b').version).toBe(1);
    expect(delivered).toEqual(['a:1', 'a:2', 'b:1']);
  });

  it('opens a new stream for a new run and continues where the old one was', async () => {
    const { store, lines } = makeStore();
    store.watch('a');
    await settled();
    await lines[0]!.send(events(envelope('a', 1), envelope('a', 2)));
    store.watch('b');
    await settled();
    expect(lines[0]!.options.signal?.aborted).toBe(true);
    expect(lines[1]!.start).toEqual({ a: 2, b: 0 });
    store.watch('a');
    await settled();
    expect(lines).toHaveLength(2);
  });

  it('follows a run that no page shows to its end, and then not again', async () => {
    const { store, lines } = makeStore();
    const leave = store.watch('a');
    await settled();
    leave();
    await lines[0]!.send(events(envelope('a', 1, 'run.failed')), 'end');
    expect(store.snapshot('a')).toMatchObject({ over: true, error: null });
    store.watch('a');
    await settled();
    expect(lines).toHaveLength(1);
  });

  it('ends when the server has nothing more', async () => {
    const { store, lines } = makeStore();
    store.watch('a');
    await settled();
    await lines[0]!.send('end');
    expect(store.snapshot('a').over).toBe(true);
    expect(lines).toHaveLength(1);
  });

  it('leaves out a run that does not exist and follows the others', async () => {
    const { store, lines } = makeStore(['a']);
    store.watch('a');
    store.watch('gone');
    await settled();
    await lines[0]!.send(new Error('refused'));
    await settled();
    expect(store.snapshot('gone').error).toBeInstanceOf(Error);
    expect(store.snapshot('a').error).toBeNull();
    expect(lines[1]!.start).toEqual({ a: 0 });
  });

  it('reports a lost stream and a gap, and drops the oldest of too many events', async () => {
    const { store, lines } = makeStore();
    const seen: boolean[] = [];
    store.subscribeLine(() => seen.push(store.lineOpen));
    store.watch('a');
    await settled();
    lines[0]!.options.onLine?.({ open: false, error: null });
    lines[0]!.options.onLine?.({ open: true });
    expect(seen).toEqual([false, true]);
    await lines[0]!.send({ kind: 'gap', gap: { subject: 'a', after: 0, snapshotUrl: null } });
    expect(store.snapshot('a').gap).toBe(true);
    const many = Array.from({ length: EVENTS_MAX + 1 }, (_, i) => envelope('a', i + 1));
    await lines[0]!.send(events(...many));
    const { events: kept, gap } = store.snapshot('a');
    expect(kept.length).toBeLessThanOrEqual(EVENTS_MAX);
    expect(kept.at(-1)?.seq).toBe(EVENTS_MAX + 1);
    expect(gap).toBe(true);
  });

  it('names no more runs than one stream allows', async () => {
    const { store, lines } = makeStore();
    for (let i = 0; i <= FOLLOWED_MAX; i++) store.watch(`run_${i}`);
    await settled();
    expect(Object.keys(lines.at(-1)!.start)).toHaveLength(FOLLOWED_MAX);
  });
});

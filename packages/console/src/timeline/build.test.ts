import type { EventEnvelope } from '@holdfast/protocol';
import { describe, expect, it } from 'vitest';
import { buildTimeline } from './build.ts';
import { eventAt, summary } from './describe.ts';

const START = Date.parse('2026-11-22T00:00:00.000Z');
let seq = 0;

function event(atMs: number, type: string, data: Record<string, unknown> = {}): EventEnvelope {
  seq += 1;
  return {
    subject: 'ses_1',
    seq,
    type,
    v: 1,
    at: new Date(START + atMs).toISOString(),
    actor: 'local',
    attempt: null,
    trace_id: null,
    append_id: `a${seq}`,
    data,
  };
}

function log(...entries: [number, string, Record<string, unknown>?][]): EventEnvelope[] {
  seq = 0;
  return entries.map(([at, type, data]) => event(at, type, data));
}

const at = (ms: number) => START + ms;
const call = { call_id: 'c1', name: 'paint' };

describe('buildTimeline', () => {
  it('makes a span of what has a duration and a mark of what has none', () => {
    const timeline = buildTimeline(
      log(
        [0, 'session.created'],
        [1000, 'speech.started', { item_id: 'u1' }],
        [3000, 'speech.stopped', { item_id: 'u1' }],
        [3100, 'transcript.user', { item_id: 'u1', text: 'Hello' }],
        [3200, 'item.added', { item_id: 'a1', role: 'assistant' }],
        [3300, 'tool.called', call],
        [3400, 'tool.returned', { call_id: 'c1' }],
        [5000, 'transcript.assistant', { item_id: 'a1', text: 'Hi' }],
        [5100, 'item.truncated', { item_id: 'a1' }],
        [5200, 'upstream.error'],
        [6000, 'session.ended', { reason: 'client_closed' }],
      ),
      null,
    );
    expect(timeline).toMatchObject({ startMs: at(0), endMs: at(6000) });
    expect(timeline.lanes.you).toEqual([
      { seq: 4, startMs: at(1000), endMs: at(3000), open: false, text: 'Hello', cut: false },
    ]);
    expect(timeline.lanes.model).toEqual([
      { seq: 8, startMs: at(3200), endMs: at(5000), open: false, text: 'Hi', cut: true },
    ]);
    expect(timeline.lanes.tools).toMatchObject([
      { seq: 6, text: 'paint', startMs: at(3300), endMs: at(3300 + 250) },
    ]);
    expect(timeline.marks.map(mark => [mark.seq, mark.shape])).toEqual([
      [1, 'life'],
      [9, 'dot'],
      [10, 'error'],
      [11, 'life'],
    ]);
  });

  it('extends what has not ended to the present', () => {
    const events = log([0, 'session.created'], [500, 'speech.started', { item_id: 'u1' }]);
    const timeline = buildTimeline(events, at(9000));
    expect(timeline.lanes.you).toMatchObject([{ endMs: at(9000), open: true }]);
    expect(timeline.endMs).toBe(at(9000));
  });

  it('shows a typed message, and ends a tool whose output does not name its call', () => {
    const timeline = buildTimeline(
      log(
        [0, 'session.created'],
        [100, 'item.added', { item_id: 'u1', role: 'user', text: 'Typed' }],
        [200, 'tool.called', call],
        [900, 'item.added', { item_id: 'o1', item_type: 'function_call_output', role: null }],
      ),
      at(5000),
    );
    expect(timeline.lanes.you).toMatchObject([{ text: 'Typed', open: false }]);
    expect(timeline.lanes.tools).toMatchObject([{ endMs: at(900), open: false }]);
  });

  it('ends an answer without text with its response', () => {
    const timeline = buildTimeline(
      log([0, 'item.added', { item_id: 'a1', role: 'assistant' }], [400, 'response.done']),
      at(5000),
    );
    expect(timeline.lanes.model).toMatchObject([{ endMs: at(400), open: false }]);
  });

  it('colours the server that held the work, with a gap where none did', () => {
    const timeline = buildTimeline(
      log(
        [0, 'session.created'],
        [100, 'session.connected', { replica: 'a', revision: 'r1' }],
        [2000, 'session.disconnected', { replica: 'a' }],
        [2500, 'session.connected', { replica: 'b', revision: 'r2' }],
      ),
      at(4000),
    );
    expect(timeline.holdings).toMatchObject([
      { replica: 'a', startMs: at(100), endMs: at(2000) },
      { replica: 'b', revision: 'r2', startMs: at(2500), endMs: at(4000) },
    ]);
  });

  it('shows no holder between the last activity of a lost server and the take-over', () => {
    const since = new Date(at(1500)).toISOString();
    const timeline = buildTimeline(
      log(
        [0, 'session.connected', { replica: 'a', revision: 'r1' }],
        [4000, 'session.gap', { reason: 'replica_lost', since }],
        [4000, 'session.connected', { replica: 'b', revision: 'r1' }],
      ),
      at(6000),
    );
    expect(timeline.holdings.map(({ replica, endMs }) => [replica, endMs])).toEqual([
      ['a', at(1500)],
      ['b', at(6000)],
    ]);
    expect(timeline.marks[1]).toMatchObject({ type: 'session.gap', shape: 'life' });
  });

  it('is not stretched by events that came days later', () => {
    const day = 86_400_000;
    const timeline = buildTimeline(
      log([0, 'session.created'], [1000, 'session.ended'], [day, 'recording.uploaded']),
      null,
    );
    expect(timeline.endMs).toBe(at(1000));
    expect(timeline.marks.at(-1)).toMatchObject({ type: 'recording.uploaded', atMs: at(1000) });
  });

  it('draws an unknown type as a mark, and nothing of an empty log', () => {
    expect(buildTimeline(log([0, 'later.invented']), null).marks).toMatchObject([{ shape: 'dot' }]);
    expect(buildTimeline([], 5)).toMatchObject({ startMs: 5, marks: [], holdings: [] });
  });
});

describe('eventAt', () => {
  it('finds the event at or before a moment', () => {
    const events = log([0, 'a'], [1000, 'b'], [1000, 'c'], [3000, 'd']);
    const found = [-5, 0, 999, 1000, 2999, 99_999].map(ms => eventAt(events, at(ms))?.type);
    expect(found).toEqual(['a', 'a', 'a', 'c', 'c', 'd']);
    expect(eventAt([], 0)).toBeUndefined();
  });
});

describe('summary', () => {
  it.each([
    ['transcript.user', { text: 'Hello' }, 'Hello'],
    ['transcript.user', {}, ''],
    ['tool.called', { name: 'f', arguments: '{}' }, 'f({})'],
    ['tool.called', { name: 'f' }, 'f(…)'],
    ['tool.returned', { output: '1' }, '1'],
    ['session.connected', { replica: 'a', transport: 'webrtc' }, 'a · webrtc'],
    ['session.created', { model: 'm' }, 'm'],
    ['session.updated', { tools: ['x', 'y'] }, 'x, y'],
    ['response.done', { status: 'completed' }, 'completed'],
    ['session.ended', { reason: 'drain' }, 'drain'],
    ['upstream.error', { message: 'x'.repeat(500) }, `${'x'.repeat(160)}…`],
  ])('sums up %s', (type, data, words) => {
    expect(summary(event(0, type, data))).toBe(words);
  });
});

describe('buildTimeline of a run', () => {
  it('draws messages and tools of the agent as bars, each from the event before', () => {
    const timeline = buildTimeline(
      log(
        [0, 'run.created', { instruction: 'Fix it.' }],
        [1000, 'run.started', { replica: 'rep_a' }],
        [4000, 'agent.message', { role: 'assistant', text: 'I look.' }],
        [5000, 'tool.started', { call_id: 'c1', name: 'bash' }],
        [7000, 'tool.finished', { call_id: 'c1', status: 'ok' }],
        [7500, 'agent.output', { text: 'x' }],
        [9000, 'agent.message', { role: 'assistant', text: 'Done.' }],
        [9500, 'tool.started', { call_id: 'c2', name: 'edit' }],
        [10_000, 'run.succeeded'],
        [60_000, 'run.picked'],
      ),
      null,
    );
    expect(timeline.endMs).toBe(at(10_000));
    expect(timeline.lanes.you).toMatchObject([{ text: 'Fix it.', startMs: at(0) }]);
    expect(timeline.lanes.model).toMatchObject([
      { text: 'I look.', startMs: at(4000), endMs: at(4250) },
      { text: 'Done.', startMs: at(7000), endMs: at(9000) },
    ]);
    expect(timeline.lanes.tools).toMatchObject([
      { text: 'bash', startMs: at(5000), endMs: at(7000) },
      { text: 'edit', endMs: at(10_000), open: false },
    ]);
    expect(timeline.marks.map(mark => [mark.type, mark.shape])).toEqual([
      ['run.created', 'life'],
      ['run.started', 'life'],
      ['run.succeeded', 'life'],
      ['run.picked', 'life'],
    ]);
  });

  it('shows which server held it, with the time between two', () => {
    const { holdings } = buildTimeline(
      log(
        [0, 'run.created'],
        [1000, 'run.started', { replica: 'rep_a' }],
        [5000, 'run.requeued', { replica: 'rep_a', reason: 'drain' }],
        [8000, 'run.resumed', { replica: 'rep_b', reason: 'drain' }],
        [9000, 'run.failed', { reason: 'agent_error' }],
      ),
      null,
    );
    expect(holdings).toMatchObject([
      { replica: 'rep_a', startMs: at(1000), endMs: at(5000) },
      { replica: 'rep_b', startMs: at(8000), endMs: at(9000) },
    ]);
  });

  it('describes each event in one line', () => {
    const line = (type: string, data: Record<string, unknown>) => summary(event(0, type, data));
    expect(line('tool.started', { name: 'bash', input: 'ls' })).toBe('bash ls');
    expect(line('run.resumed', { replica: 'rep_b' })).toBe('rep_b');
    expect(line('run.created', { agent: 'codex' })).toBe('codex');
  });
});

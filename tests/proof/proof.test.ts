import { describe, expect, it } from 'vitest';
import { ArgumentError, CONTROLS, readArguments } from './arguments.ts';
import {
  attemptFaults,
  CHECK_NAMES,
  checkPoints,
  endFaults,
  judgeRuns,
  LATE_MAX_MS,
  logFaults,
  lossFaults,
  seenFaults,
} from './judge.ts';
import type { JudgedRun } from './judged-run.ts';
import { Observations } from './observations.ts';
import { pushFaults } from './pushes.ts';
import { Random } from './random.ts';
import { isGood } from './report.ts';
import { applyPatch, copySource } from './source.ts';
import { Troubles } from './troubles.ts';

describe('arguments', () => {
  it.each([
    [[], 'runs'],
    [['sessions'], 'runs'],
    [['runs', '--kills', '0'], '--kills'],
    [['runs', '--kills', '1.5'], '--kills'],
    [['runs', '--control', 'nothing'], '--control'],
    [['runs', '--runs', '3'], '--subscribers'],
    [['runs', '--unknown'], '--unknown'],
  ])('%j are refused by name', (args, name) => {
    expect(() => readArguments(args)).toThrow(ArgumentError);
    expect(() => readArguments(args)).toThrow(name);
  });

  it('have defaults, fewer kills for a control', () => {
    const defaults = {
      what: 'runs',
      kills: 200,
      runs: 10,
      subscribers: 20,
      seed: 's',
      control: undefined,
    };
    expect(readArguments(['runs'], 's')).toEqual(defaults);
    expect(readArguments(['runs', '--control', 'fencing-off'])).toMatchObject({ kills: 12 });
    expect(readArguments(['--help'])).toBe('help');
    expect(readArguments(['local'], 's')).toEqual({ what: 'local', kills: 50, seed: 's' });
  });
});

it('the same seed chooses the same', () => {
  const draw = (seed: string) => {
    const random = new Random(seed);
    return Array.from({ length: 50 }, () => random.whole(0, 9));
  };
  expect(draw('a')).toEqual(draw('a'));
  expect(draw('a')).not.toEqual(draw('b'));
  expect(new Set(draw('a')).size).toBe(10);
});

it('acts in the tick of an observation, once, or reports that it did not come', async () => {
  const observations = new Observations();
  let acts = 0;
  const seen = observations.at(['event:w', 'event:x'], 1_000, () => {
    acts += 1;
  });
  observations.tell('event:y');
  expect(acts).toBe(0);
  for (const name of ['event:x', 'event:x', 'event:w']) observations.tell(name);
  expect(acts).toBe(1);
  expect(await seen).toBe('event:x');
  expect(await observations.at(['event:x'], 1, () => {})).toBe(undefined);
});

type Line = readonly [type: string, attempt: number | null, data?: Record<string, unknown>];

function judged(lines: readonly Line[], row: Partial<JudgedRun['row']> = {}): JudgedRun {
  const log = lines.map(([type, attempt, data = {}], index) => ({
    seq: index + 1,
    type,
    attempt,
    data,
  }));
  const ending = log.at(-1)!.type;
  const seen = {
    runId: 'run_1',
    last: log.length,
    ending,
    endedAtMs: 5_000,
    connections: 1,
    faults: [],
  };
  const common = {
    id: 'run_1',
    reason: null,
    attempt: 2,
    fence: 2,
    insertions: 6,
    finishedAtMs: 4_000,
  };
  const pushes = { asked: false, taken: [] };
  return { row: { ...common, status: 'succeeded', ...row }, steps: 6, log, seen: [seen], pushes };
}

const GOOD: readonly Line[] = [
  ['run.created', null],
  ['run.started', 1],
  ['tool.started', 1, { call_id: 'a' }],
  ['checkpoint.saved', 1, { number: 1 }],
  ['run.resumed', 2],
  ['tool.started', 2, { call_id: 'a' }],
  ['run.succeeded', 2],
];

describe('a verdict', () => {
  it('is good for a run that was lost once and continued', () => {
    expect(judgeRuns([judged(GOOD)]).filter(({ passed }) => !passed)).toEqual([]);
  });

  it('requires all work of a run whose worker was not lost', () => {
    expect(endFaults(judged(GOOD, { status: 'failed', reason: 'agent_error' }))).toHaveLength(1);
    expect(endFaults(judged(GOOD, { insertions: 5 }))).toEqual([]);
    expect(endFaults(judged(GOOD, { insertions: 4 }))).toHaveLength(1);
  });

  it('allows worker_lost after three lost attempts, and then requires it', () => {
    const row = { status: 'failed', reason: 'worker_lost', attempt: 3 };
    const resumed = (attempt: number): Line => ['run.resumed', attempt];
    const saved = (attempt: number): Line => ['checkpoint.saved', attempt, { number: attempt }];
    const lost: Line[] = [['run.started', 1], resumed(2), resumed(3), ['run.failed', 3]];
    expect(lossFaults(judged(lost, row))).toEqual([]);
    // The attempt that saved the last checkpoint was lost after it.
    expect(lossFaults(judged(lost.toSpliced(1, 0, saved(1)), row))).toEqual([]);
    const late = lost.toSpliced(2, 0, saved(2));
    expect(lossFaults(judged(late, row)).join()).toContain('given up after 2 lost of 3');
    const givenBack = lost.toSpliced(2, 0, ['run.requeued', 2]);
    expect(lossFaults(judged(givenBack, row)).join()).toContain('given up after 2 lost of 3');
    const more = judged([...lost.slice(0, 3), ['run.succeeded', 4]], { attempt: 4 });
    expect(lossFaults(more).join()).toContain('attempt 4 began after 3 were lost');
  });

  it('notices what was pushed twice, never, or without an end', () => {
    const [commit, other] = ['c'.repeat(40), 'd'.repeat(40)];
    const intended: Line = ['push.intended', null, { commit }];
    const finished: Line = ['push.finished', null, { commit, outcome: 'pushed' }];
    const pushed = (lines: readonly Line[], taken: string[], asked = true) =>
      pushFaults({ ...judged([...GOOD, ...lines]), pushes: { asked, taken } }).join();
    expect(pushed([intended, finished], [commit])).toBe('');
    expect(pushed([intended, finished, intended, finished], [commit])).toBe('');
    expect(pushed([intended, finished], [commit, commit])).toContain('took 2 pushes');
    expect(pushed([intended, finished], [])).toContain('took 0 pushes');
    expect(pushed([intended, finished], [other])).toContain('another commit');
    expect(pushed([intended], [commit])).toContain('do not match');
    expect(pushed([intended, finished, finished], [commit])).toContain('do not match');
    expect(pushed([], [commit], false)).toContain('took 1 pushes');
    const failed: Line = ['push.finished', null, { commit, outcome: 'failed' }];
    expect(pushed([intended, failed], [commit])).toContain('a push failed');
  });

  it('is good for a run that was pushed after its end, and for nothing else after it', () => {
    const run = judged(GOOD);
    const followedBy = (type: string) => [...run.log, { ...run.log[0]!, seq: 8, type }];
    expect(logFaults({ ...run, log: followedBy('push.intended') })).toEqual([]);
    expect(seenFaults({ ...run, log: followedBy('push.intended') })).toEqual([]);
    expect(logFaults({ ...run, log: followedBy('agent.output') }).join()).toContain('1 endings');
  });

  it('is given of unexpected errors, too', async () => {
    const troubles = new Troubles();
    expect(await troubles.during('the start', async () => 1)).toBe(1);
    expect(troubles.check().passed).toBe(true);
    const failing = async () => {
      throw new Error('worker-1 did not end');
    };
    expect(await troubles.during('the faults', failing)).toBe(undefined);
    expect(troubles.check()).toMatchObject({
      passed: false,
      detail: expect.stringContaining('the faults: Error: worker-1 did not end'),
    });
  });

  it.each<[string, readonly Line[], string]>([
    ['an event twice', GOOD.toSpliced(3, 0, GOOD[2]!), 'twice: tool.started a'],
    ['two endings', [...GOOD, GOOD.at(-1)!], '2 endings'],
    ['nothing after the middle', GOOD.slice(0, 4), '0 endings'],
    ['dropped events', GOOD.toSpliced(3, 0, ['journal.dropped', 1]), 'dropped'],
  ])('notices %s', (_name, lines, what) => {
    expect(logFaults(judged(lines)).join()).toContain(what);
  });

  it('notices a hole', () => {
    const run = judged(GOOD);
    expect(logFaults({ ...run, log: run.log.toSpliced(2, 1) }).join()).toContain('hole');
  });

  it('notices what a subscriber missed', () => {
    const run = judged(GOOD);
    const cut = { ...run.seen[0]!, last: 3, ending: null };
    expect(seenFaults({ ...run, seen: [cut] })).toHaveLength(2);
    expect(seenFaults({ ...run, seen: [{ ...run.seen[0]!, faults: ['gap'] }] })).toHaveLength(1);
    const late = { ...run.seen[0]!, endedAtMs: 4_001 + LATE_MAX_MS };
    expect(seenFaults({ ...run, seen: [late] }).join()).toContain('30001 ms late');
  });

  it('notices an earlier attempt that still writes, and a fence that stood still', () => {
    const zombie = judged(GOOD.toSpliced(6, 0, ['tool.finished', 1, { call_id: 'b' }]));
    expect(attemptFaults(zombie).join()).toContain('attempt 1 wrote 7 after 2 began');
    expect(attemptFaults(judged(GOOD, { fence: 1 })).join()).toContain('fence 1');
  });

  it('notices a point that nothing looks at any more, once chance cannot have left it out', () => {
    const wanted = ['wire:append', 'cut'];
    expect(checkPoints(wanted, new Set(['cut']), 12).passed).toBe(true);
    expect(checkPoints(wanted, new Set(['cut']), 200).detail).toContain('wire:append');
    expect(checkPoints(wanted, new Set(wanted), 200).passed).toBe(true);
  });

  it('turns around for a control, which only its own check notices', () => {
    const options = {
      what: 'runs',
      kills: 1,
      runs: 1,
      subscribers: 1,
      seed: 's',
      control: undefined,
    } as const;
    const failing = (failed?: string) =>
      CHECK_NAMES.map(name => ({ name, passed: name !== failed, detail: '' }));
    expect(isGood({ options, checks: failing() })).toBe(true);
    expect(isGood({ options, checks: failing('patches apply') })).toBe(false);
    for (const control of CONTROLS) {
      const good = CHECK_NAMES.filter(name =>
        isGood({ options: { ...options, control }, checks: failing(name) }),
      );
      expect(good).toHaveLength(1);
      expect(isGood({ options: { ...options, control }, checks: failing() })).toBe(false);
    }
  });
});

describe('a control', () => {
  it.each(CONTROLS)('%s applies to the source as it is, and only once', name => {
    const copy = copySource();
    try {
      applyPatch(copy.root, name);
      expect(() => applyPatch(copy.root, name)).toThrow('does not apply any more');
    } finally {
      copy.remove();
    }
  });
});

import { describe, expect, it } from 'vitest';
import { pushBranch } from './push-branch.ts';

type Runs = Parameters<typeof pushBranch>[0];

/** A log that grows by one page with each look. */
function runsWith(...pages: { type: string; data: Record<string, unknown> }[][]): Runs {
  const log: { type: string; data: Record<string, unknown> }[] = [];
  return {
    push: async () => ({}),
    events: async () => {
      log.push(...(pages.shift() ?? []));
      return { data: log, next_cursor: null };
    },
  } as unknown as Runs;
}

const run = { id: 'run_1', last_seq: 3 };
const noPause = async () => {};
const intended = { type: 'push.intended', data: {} };
const finished = (outcome: string, message?: string) => ({
  type: 'push.finished',
  data: { outcome, ...(message !== undefined && { message }) },
});

describe('a push from the console', () => {
  it('waits for its own end', async () => {
    const runs = runsWith([intended], [], [finished('pushed')]);
    expect(await pushBranch(runs, run, noPause)).toMatchObject({ outcome: 'pushed', message: '' });
  });

  it('does not take the end of an earlier push for its own', async () => {
    const runs = runsWith([finished('pushed'), intended], [finished('failed', 'Moved.')]);
    expect(await pushBranch(runs, run, noPause)).toMatchObject({
      outcome: 'failed',
      message: 'Moved.',
      ciChanges: null,
    });
  });

  it('that is refused because of files of CI names them', async () => {
    const changes = { files: ['.github/workflows/a.yml'], total: 1 };
    const end = finished('failed', 'Refused.');
    const runs = runsWith([intended, { ...end, data: { ...end.data, ci_changes: changes } }]);
    expect(await pushBranch(runs, run, noPause)).toMatchObject({ ciChanges: changes });
  });

  it('reports `waiting` where no worker comes', async () => {
    const runs = runsWith([intended]);
    expect(await pushBranch(runs, run, noPause)).toMatchObject({ outcome: 'waiting' });
  });
});

import { expect, it } from 'vitest';
import { LogQuota } from './log-quota.ts';

const output = (text: string) =>
  ({ type: 'agent.output', data: { stream: 'stdout' }, private: { text } }) as const;
const EMPTY = { events: 0, sizeBytes: 0 };

it('admits as many events as there may be, those of earlier attempts included', () => {
  const quota = new LogQuota({ logMaxEvents: 5, logMaxBytes: 1e6 }, { events: 3, sizeBytes: 0 });
  expect([1, 2, 3, 4].map(() => quota.admits(output('x')))).toEqual([true, true, false, false]);
});

it('admits as many bytes as there may be, and counts them as bytes', () => {
  const overhead = JSON.stringify([{ stream: 'stdout' }, { text: '' }]).length;
  const quota = new LogQuota({ logMaxEvents: 100, logMaxBytes: 2 * (overhead + 3) }, EMPTY);
  // Three bytes in UTF-8, one character.
  expect([1, 2, 3].map(() => quota.admits(output('あ')))).toEqual([true, true, false]);
});

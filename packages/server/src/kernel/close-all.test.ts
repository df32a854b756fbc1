import { expect, it, onTestFinished, vi } from 'vitest';
import { CLOSE_MAX_MS, closeAll } from './lifecycle.ts';

it('closes all in order, and reports by name what fails or does not end', async () => {
  vi.useFakeTimers();
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const closed: string[] = [];
  const failed: string[] = [];
  const parts = [
    { name: 'a', close: async () => void closed.push('a') },
    { name: 'silent', close: () => new Promise<void>(() => {}) },
    { name: 'broken', close: () => Promise.reject(new Error('no')) },
    { name: 'b', close: async () => void closed.push('b') },
  ];
  const all = closeAll(parts, name => failed.push(name));
  const refused = expect(all).rejects.toThrow('Not every port closed.');
  await vi.advanceTimersByTimeAsync(CLOSE_MAX_MS);
  await refused;
  // With less time than that, half of it for the first that does not end.
  const hasty = closeAll([parts[1]!], () => failed.push('in time'), 2_000);
  const late = expect(hasty).rejects.toThrow('Not every port closed.');
  await vi.advanceTimersByTimeAsync(1_000);
  await late;
  expect(closed).toEqual(['a', 'b']);
  expect(failed).toEqual(['silent', 'broken', 'in time']);
});

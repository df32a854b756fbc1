import { expect, it } from 'vitest';
import { findIdRange, isInRange, ownerOf } from './user-ids.ts';

const MACHINE = '         0          0 4294967295\n';
const CONTAINER = '         0     100000      65536\n';
const ROOTLESS = '         0       1000          1\n         1     100000      65536\n';

it('takes a range that both maps contain whole', () => {
  const large = findIdRange(MACHINE, MACHINE)!;
  const small = findIdRange(CONTAINER, MACHINE)!;
  expect(large.first).toBeGreaterThan(65_536);
  expect(small.first + small.count).toBe(59_000);
  expect(findIdRange(MACHINE, CONTAINER)).toEqual(small);
  expect(findIdRange(ROOTLESS, ROOTLESS)).toEqual(small);
  expect(findIdRange('0 0 1\n', MACHINE)).toBeUndefined();
  expect(findIdRange('0 0 58999\n', MACHINE)).toBeUndefined();
  expect(findIdRange('', '')).toBeUndefined();
});

it('gives each run a user of the range, and always the same', () => {
  const range = findIdRange(MACHINE, MACHINE)!;
  const ids = Array.from({ length: 1_000 }, (_, index) => ownerOf(`run_${index}`, range).uid);
  expect(new Set(ids).size).toBe(1_000);
  expect(ids.every(id => isInRange(id, range))).toBe(true);
  expect(ownerOf('run_7', range)).toEqual({ uid: ids[7], gid: ids[7] });
  expect(isInRange(0, range)).toBe(false);
  expect(isInRange(range.first + range.count, range)).toBe(false);
});

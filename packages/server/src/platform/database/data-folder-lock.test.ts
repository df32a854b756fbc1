import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lockDataFolder } from './data-folder-lock.ts';

let parent: string;

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'holdfast-lock-'));
});

afterEach(() => {
  rmSync(parent, { recursive: true, force: true });
});

it('refuses a second holder, in this process too, until the first lets go', () => {
  const folder = join(parent, 'data');
  const first = lockDataFolder(folder);
  expect(() => lockDataFolder(folder)).toThrow(`process ${process.pid}`);
  expect(() => lockDataFolder(folder)).toThrow(folder);
  expect(() => lockDataFolder(folder)).toThrow('DATABASE_URL');
  first.release();
  first.release();
  lockDataFolder(folder).release();
});

it('is the same lock by whatever path the folder is reached', () => {
  const first = lockDataFolder(join(parent, 'data'));
  expect(() => lockDataFolder(join(parent, 'other', '..', 'data'))).toThrow(/another/);
  first.release();
});

it('makes the folder, for its owner only', () => {
  const folder = join(parent, 'a', 'data');
  const lock = lockDataFolder(folder);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  lock.release();
});

it('leaves locks of different folders alone', () => {
  const locks = ['a', 'b'].map(name => lockDataFolder(join(parent, name)));
  for (const lock of locks) lock.release();
});

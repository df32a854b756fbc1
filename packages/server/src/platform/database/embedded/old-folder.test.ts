import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openEmbeddedDatabase } from './open.ts';

let dataDir: string;
const warnings: { event: string; folder?: string }[] = [];
const log = {
  info: () => {},
  warn: (event: string, fields: { folder?: string } = {}) =>
    void warnings.push({ event, ...fields }),
  error: () => {},
};

beforeEach(() => {
  warnings.length = 0;
  dataDir = mkdtempSync(join(tmpdir(), 'holdfast-old-'));
  writeFileSync(join(dataDir, 'holdfast.lock'), '');
  for (const name of ['database', 'blobs', 'runs']) {
    mkdirSync(join(dataDir, name));
    writeFileSync(join(dataDir, name, 'file'), name);
  }
  writeFileSync(join(dataDir, 'database/PG_VERSION'), '18');
  writeFileSync(join(dataDir, 'master.key'), 'key');
});

afterEach(() => {
  rmSync(dataDir, { recursive: true, force: true });
});

const open = async () => {
  const database = await openEmbeddedDatabase({ dataDir, log, sync: false });
  await database.close();
};

function expectAside(name: string): void {
  const aside = join(dataDir, name);
  expect(readdirSync(aside).toSorted()).toEqual(['blobs', 'database', 'master.key', 'runs']);
  expect(readFileSync(join(aside, 'runs/file'), 'utf8')).toBe('runs');
  expect(warnings).toContainEqual({
    event: 'database.old_folder_set_aside',
    folder: aside,
    detail: expect.stringContaining('nothing was deleted'),
  });
}

it('of version 0.1 is set aside whole and once, with a warning that names the place', async () => {
  await open();
  expectAside('holdfast-0.1');
  for (const name of ['database', 'blobs', 'runs', 'master.key']) {
    expect(existsSync(join(dataDir, name))).toBe(false);
  }
  warnings.length = 0;
  writeFileSync(join(dataDir, 'master.key'), 'new');
  await open();
  expect(warnings).toEqual([]);
  expect(readFileSync(join(dataDir, 'master.key'), 'utf8')).toBe('new');
});

it('is set aside by the next start where one was killed in the middle', async () => {
  mkdirSync(join(dataDir, 'holdfast-0.1.moving'));
  for (const name of ['blobs', 'master.key', 'database']) {
    renameSync(join(dataDir, name), join(dataDir, 'holdfast-0.1.moving', name));
  }
  await open();
  expectAside('holdfast-0.1');
});

it('keeps what was set aside before', async () => {
  mkdirSync(join(dataDir, 'holdfast-0.1'));
  await open();
  expectAside('holdfast-0.1-2');
  expect(readdirSync(join(dataDir, 'holdfast-0.1'))).toEqual([]);
});

it('stays where a server of version 0.1 works on it', async () => {
  const held = new DatabaseSync(join(dataDir, 'holdfast.lock'));
  held.exec('begin exclusive');
  await expect(open()).rejects.toThrow(/version 0.1 uses the data folder/);
  held.close();
  expect(existsSync(join(dataDir, 'database/file'))).toBe(true);
});

it('of another kind, which only has that name, and what belongs to the volume stay', async () => {
  mkdirSync(join(dataDir, 'lost+found'));
  rmSync(join(dataDir, 'database/PG_VERSION'));
  await open();
  expect(readdirSync(dataDir)).toEqual(expect.arrayContaining(['database', 'lost+found', 'blobs']));
  expect(existsSync(join(dataDir, 'holdfast-0.1'))).toBe(false);
});

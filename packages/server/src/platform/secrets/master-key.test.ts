import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createEnvironmentSecrets } from './environment-secrets.ts';
import {
  localMasterKey,
  MASTER_KEY_FILE,
  masterKeysFromText,
  secretMasterKey,
} from './master-key.ts';

const keyText = () => randomBytes(32).toString('base64');

describe('the text form', () => {
  const good = keyText();
  it.each([
    ['nothing', ' \n'],
    ['a short key', randomBytes(16).toString('base64')],
    ['a long key', randomBytes(33).toString('base64')],
    ['no base64', `${'!'.repeat(43)}=`],
    ['a second key that is bad', `${good},nonsense`],
    ['too many keys', Array.from({ length: 17 }, keyText).join(' ')],
  ])('refuses %s without repeating it', (_, text) => {
    expect(() => masterKeysFromText(text)).toThrow(/master keys?/i);
    expect(() => masterKeysFromText(text)).not.toThrow(/nonsense|!!!/);
  });

  it('takes several keys, the first one current, with ids that depend on the key alone', () => {
    const other = keyText();
    const [first, second] = masterKeysFromText(`${good}, ${other}\n`);
    expect(masterKeysFromText(`${other} ${good}`).map(({ id }) => id)).toEqual([
      second!.id,
      first!.id,
    ]);
    expect(first!.key.export()).toEqual(Buffer.from(good, 'base64'));
    expect(good).not.toContain(first!.id);
  });
});

describe('a master key from a secret', () => {
  it('is missing, or empty, with the name but no value in the reason', async () => {
    const source = secretMasterKey(createEnvironmentSecrets({ KEY: '' }), 'KEY');
    await expect(source.load()).rejects.toMatchObject({
      code: 'unavailable',
      cause: expect.objectContaining({ message: expect.stringContaining('KEY') }),
    });
  });

  it('is read anew at each load', async () => {
    const environment = { KEY: keyText() };
    const source = secretMasterKey(createEnvironmentSecrets(environment), 'KEY');
    const [before] = await source.load();
    environment.KEY = keyText();
    const [after] = await source.load();
    expect(after!.id).not.toBe(before!.id);
  });
});

describe('the local master key', () => {
  let dataDir: string;
  let path: string;
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'holdfast-key-'));
    path = join(dataDir, MASTER_KEY_FILE);
  });
  afterEach(() => rm(dataDir, { recursive: true }));

  it.each([0o604, 0o640, 0o620, 0o666])('is refused with mode %o', async mode => {
    await writeFile(path, keyText());
    await chmod(path, mode);
    await expect(localMasterKey(dataDir).load()).rejects.toThrow(/chmod 600/);
  });

  it('is refused as a symbolic link or a folder, or when it is no key', async () => {
    await writeFile(join(dataDir, 'elsewhere'), keyText(), { mode: 0o600 });
    await symlink(join(dataDir, 'elsewhere'), path);
    await expect(localMasterKey(dataDir).load()).rejects.toThrow(/symbolic link/);
    await rm(path);
    await writeFile(path, 'x'.repeat(5_000), { mode: 0o600 });
    await expect(localMasterKey(dataDir).load()).rejects.toThrow(/not a key file/);
    await writeFile(path, '', { mode: 0o600 });
    await expect(localMasterKey(dataDir).load()).rejects.toThrow(/0/);
  });

  it('is made once, for its owner alone, and leaves nothing else behind', async () => {
    const nested = join(dataDir, 'fresh');
    const [made] = await localMasterKey(nested).load();
    const facts = await stat(join(nested, MASTER_KEY_FILE));
    expect(facts.mode & 0o777).toBe(0o600);
    expect(await readdir(nested)).toEqual([MASTER_KEY_FILE]);
    const [again] = await localMasterKey(nested).load();
    expect(again!.id).toBe(made!.id);
  });

  it('is the same for all who make it at once or shortly after each other', async () => {
    for (let round = 0; round < 10; round += 1) {
      const folder = join(dataDir, `${round}`);
      const loads = [];
      for (let n = 0; n < 8; n += 1) {
        loads.push(localMasterKey(folder).load());
        for (let ticks = 0; ticks < round; ticks += 1) await nextTurn();
      }
      const ids = (await Promise.all(loads)).map(keys => keys[0]!.id);
      expect(new Set(ids).size).toBe(1);
      expect(await readdir(folder)).toEqual([MASTER_KEY_FILE]);
    }
  });

  it('is the same for processes that make it at once', async () => {
    const folder = join(dataDir, 'fresh');
    const script = `
      import { localMasterKey } from ${JSON.stringify(new URL('master-key.ts', import.meta.url))};
      process.stdin.once('data', async () => {
        const [key] = await localMasterKey(${JSON.stringify(folder)}).load();
        process.stdout.write(key.id);
        process.exit();
      });
      process.stdout.write('.');
    `;
    const children = Array.from({ length: 4 }, () =>
      spawn(process.execPath, ['--input-type=module', '--eval', script]),
    );
    const outputs = children.map(child => text(child.stdout));
    await Promise.all(children.map(child => once(child.stdout, 'readable')));
    for (const child of children) child.stdin.write('now');
    const ids = await Promise.all(outputs);
    expect(ids[0]).toMatch(/^\.[0-9a-f]{16}$/);
    expect(new Set(ids).size).toBe(1);
    expect(await readdir(folder)).toEqual([MASTER_KEY_FILE]);
  });

  it('can be rotated by putting a new line first', async () => {
    const [former] = await localMasterKey(dataDir).load();
    await writeFile(path, `${keyText()}\n${await readFile(path, 'utf8')}`);
    const keys = await localMasterKey(dataDir).load();
    expect(keys).toHaveLength(2);
    expect(keys[1]!.id).toBe(former!.id);
  });
});

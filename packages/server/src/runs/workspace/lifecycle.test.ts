import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { newId } from '../../kernel/index.ts';
import { type BlobStore, openFilesystemBlobs } from '../../platform/blobs/index.ts';
import { temporaryFolder } from '../sandbox/testing.ts';
import { azureLifecyclePolicy, createdMs, enforceLifecycle } from './lifecycle.ts';

const DAY_MS = 24 * 3600_000;

describe('the age of a blob', () => {
  it('is that of the id in its key', () => {
    const before = Date.now();
    const made = createdMs(`workspaces/${newId('run')}/3/a1b2/home.tar.gz`);
    expect(made).toBeGreaterThanOrEqual(before);
    expect(made).toBeLessThanOrEqual(Date.now());
    expect(createdMs(`artifacts/${newId('art')}.patch`)).not.toBeNull();
  });

  it('is unknown without one', () => {
    for (const key of ['temp/x', 'workspaces/run_1/2', `x${newId('run')}`, 'run_', '']) {
      expect(createdMs(key)).toBeNull();
    }
  });
});

it('archives are deleted at their day and not before; what is not ours stays', async () => {
  const blobs = await openFilesystemBlobs({
    dir: join(await temporaryFolder(), 'blobs'),
    baseUrl: () => 'http://localhost',
    signingKey: Buffer.alloc(32),
  });
  const id = newId('run');
  const keys = [`workspaces/${id}/1/x/home`, `artifacts/${id}/log`, `temp/${id}`, 'temp/mystery'];
  const other = `recordings/${id}`;
  for (const key of [...keys, other]) {
    await blobs.put(key, Readable.from(['x']), { contentType: 'text/plain', maxBytes: 10 });
  }
  const made = createdMs(keys[0]!)!;
  expect(await enforceLifecycle(blobs, made + 7 * DAY_MS - 1)).toBe(0);
  expect(await enforceLifecycle(blobs, made + 7 * DAY_MS)).toBe(1);
  expect(await enforceLifecycle(blobs, made + 365 * DAY_MS - 1)).toBe(0);
  expect(await enforceLifecycle(blobs, made + 365 * DAY_MS)).toBe(2);
  const left: string[] = [];
  for await (const key of blobs.list('')) left.push(key);
  expect(left.sort()).toEqual([other, 'temp/mystery']);
});

it('archives are deleted though one of them cannot be', async () => {
  const keys = Array.from({ length: 3 }, () => `temp/${newId('run')}`);
  const deleted: string[] = [];
  const blobs = {
    async *list(prefix: string) {
      if (prefix === 'temp/') yield* keys;
    },
    async delete(key: string) {
      if (key === keys[0]) throw new Error('the store refuses');
      deleted.push(key);
      return true;
    },
  } as Partial<BlobStore> as BlobStore;
  const enforced = enforceLifecycle(blobs, Date.now() + 8 * DAY_MS);
  await expect(enforced).rejects.toThrow('1 archives could not be deleted');
  expect(deleted).toEqual(keys.slice(1));
});

it('Azure gets the same rules', () => {
  const { rules } = azureLifecyclePolicy('holdfast');
  expect(rules.map(rule => rule.definition.filters.prefixMatch[0])).toEqual([
    'holdfast/workspaces/',
    'holdfast/artifacts/',
    'holdfast/temp/',
  ]);
  expect(JSON.parse(JSON.stringify(rules[2]!.definition.actions.baseBlob))).toEqual({
    delete: { daysAfterModificationGreaterThan: 7 },
  });
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { temporaryFolder } from '../sandbox/testing.ts';
import { Locks } from './mirror-lock.ts';

/** A process that takes the lock, reports it, and keeps it. */
async function holder(file: string) {
  const module = new URL('./mirror-lock.ts', import.meta.url).href;
  const script = `
    import { Locks } from '${module}';
    new Locks(1000).run(${JSON.stringify(file)}, async () => {
      console.log('locked');
      await new Promise(resolve => setTimeout(resolve, 60_000));
    });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

it('one at a time in a process, in the order of asking, also after a failure', async () => {
  const file = join(await temporaryFolder(), 'a.lock');
  const locks = new Locks(1000);
  const steps: string[] = [];
  const work = (name: string) => async () => {
    steps.push(`${name} in`);
    await new Promise(resolve => setImmediate(resolve));
    steps.push(`${name} out`);
    if (name === 'b') throw new Error('no');
  };
  const all = await Promise.allSettled(['a', 'b', 'c'].map(name => locks.run(file, work(name))));
  expect(all.map(result => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(steps).toEqual(['a in', 'a out', 'b in', 'b out', 'c in', 'c out']);
});

it('another process is waited for, but not for ever', async () => {
  const file = join(await temporaryFolder(), 'a.lock');
  await holder(file);
  const late = new Locks(100).run(file, async () => 'never');
  await expect(late).rejects.toMatchObject({ code: 'unavailable' });
});

it('a lock ends with the process that has it, even when it is killed', async () => {
  const file = join(await temporaryFolder(), 'a.lock');
  const child = await holder(file);
  const waiting = new Locks(30_000).run(file, async () => 'mine');
  child.kill('SIGKILL');
  expect(await waiting).toBe('mine');
});

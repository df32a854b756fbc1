import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { keptOutput } from './group-process.ts';

it('has what a child said, however late it is read', async () => {
  const child = spawn('printf', ['said']);
  const output = keptOutput(child.stdout);
  await once(child, 'close');
  await delay(20);
  let text = '';
  for await (const chunk of output) text += chunk;
  expect(text).toBe('said');
});

it('lets a child end whose output nobody wants', async () => {
  const child = spawn('head', ['-c', '1000000', '/dev/zero']);
  keptOutput(child.stdout).destroy();
  expect(await once(child, 'close')).toEqual([0, null]);
});

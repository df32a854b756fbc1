import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { keptOutput } from './group-process.ts';

it('keeps the output of a child that is read late', async () => {
  const child = spawn('printf', ['output']);
  const output = keptOutput(child.stdout);
  await once(child, 'close');
  await delay(20);
  let text = '';
  for await (const chunk of output) text += chunk;
  expect(text).toBe('output');
});

it('does not hold up the end of a child whose output is not read', async () => {
  const child = spawn('head', ['-c', '1000000', '/dev/zero']);
  keptOutput(child.stdout).destroy();
  expect(await once(child, 'close')).toEqual([0, null]);
});

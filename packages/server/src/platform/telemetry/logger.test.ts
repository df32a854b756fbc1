import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';

const SCRIPT = fileURLToPath(new URL('./testing/chatty.ts', import.meta.url));

/** A process that logs much more than the buffer holds, then reports what it lost. */
function chatty() {
  const child = spawn(process.execPath, [SCRIPT], { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

describe('standard output that is not read', () => {
  it('costs lines, which are counted, but neither memory nor progress', async () => {
    const child = chatty();
    const [text] = (await once(child.stderr.setEncoding('utf8'), 'data')) as [string];
    const { dropped, rssGrowthMib } = JSON.parse(text);
    expect(dropped).toBeGreaterThan(0);
    expect(rssGrowthMib).toBeLessThan(100);
  });

  it('may even be closed', async () => {
    const child = chatty();
    child.stdout.destroy();
    const [text] = (await once(child.stderr.setEncoding('utf8'), 'data')) as [string];
    expect(JSON.parse(text)).toHaveProperty('dropped');
  });
});

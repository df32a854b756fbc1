import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createWorld, snapshotOf } from './testing.ts';

const ATTEMPTS = 20;

/**
 * Git judges by size and time, in whole seconds, whether a file may have changed. It finds an edit
 * of the same size in the second of the checkout only by the age of its index; the copy that a
 * snapshot works on must be as old.
 */
it('an edit of the same size in the second of the checkout is not overlooked', async () => {
  const world = await createWorld();
  for (let attempt = 1; ; attempt++) {
    expect(attempt).toBeLessThanOrEqual(ATTEMPTS);
    // Early in a second, so that preparing and editing may fall into one.
    await delay(1_000 - (Date.now() % 1_000));
    const workspace = await world.prepare();
    const file = join(workspace.dir, 'src/main.txt');
    const checkedOut = statSync(file);
    writeFileSync(file, 'one\ntwo\nTHREE\n');
    const edited = statSync(file);
    const seconds = (ms: number) => Math.floor(ms / 1_000);
    if (seconds(checkedOut.ctimeMs) !== seconds(edited.ctimeMs)) continue;
    await delay(1_100);
    const snapshot = await snapshotOf(world, workspace);
    expect((await workspace.diff(snapshot.commit)).files).toMatchObject([{ path: 'src/main.txt' }]);
    return;
  }
});

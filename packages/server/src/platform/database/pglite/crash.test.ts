/** The embedded database survives the kill of its process, and only one process has it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openTestDatabase } from '../testing.ts';
import { openPglite } from './open.ts';

const COMMITTER = fileURLToPath(new URL('../testing/committer.ts', import.meta.url));
const MAX_ACKS = 400;
/** Creating a database takes seconds of computing, many on a busy machine. */
const TIMEOUT_MS = 180_000;

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);

let folder: string;
let children: ChildProcess[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-crash-'));
  children = [];
});

afterEach(async () => {
  await Promise.all(children.map(kill));
  rmSync(folder, { recursive: true, force: true });
});

/** Faster than letting the committer create it. */
async function createDatabase(): Promise<void> {
  const database = await openTestDatabase({ dataDir: folder });
  await database.close();
}

function startCommitter(): { child: ChildProcess; lines: AsyncIterator<string> } {
  const child = spawn(process.execPath, [COMMITTER, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  return { child, lines: createInterface({ input: child.stdout! })[Symbol.asyncIterator]() };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

async function readRows(): Promise<number[]> {
  const database = await openPglite({ dataDir: folder });
  try {
    const query = sql<{ id: number }>`select id from acks order by id`;
    return (await query.execute(database.db)).rows.map(row => row.id);
  } finally {
    await database.close();
  }
}

/** The last acknowledged number, read to the end of what the killed process had printed. */
async function lastAck(lines: AsyncIterator<string>, known: number): Promise<number> {
  let last = known;
  for (let line = await lines.next(); !line.done; line = await lines.next()) {
    last = Number(line.value);
  }
  return last;
}

it(
  `keeps every acknowledged commit through kill -9 (SEED=${seed})`,
  async () => {
    await createDatabase();
    let state = seed;
    for (let round = 1; round <= 3; round += 1) {
      state = (state * 48_271 + 11) % 2_147_483_647;
      const acks = 1 + (state % MAX_ACKS);
      const { child, lines } = startCommitter();
      expect((await lines.next()).value).toBe('open');
      let ack = 0;
      for (let count = 0; count < acks; count += 1) ack = Number((await lines.next()).value);
      await kill(child);
      const acknowledged = await lastAck(lines, ack);
      const rows = await readRows();
      // One more may have been committed without its acknowledgement getting out.
      expect(rows.length === acknowledged || rows.length === acknowledged + 1).toBe(true);
      expect(rows).toEqual(Array.from(rows, (_, index) => index + 1));
    }
  },
  TIMEOUT_MS,
);

it(
  'opens after a kill in the middle of its creation',
  async () => {
    const { child } = startCommitter();
    while (!existsSync(join(folder, 'database.new', 'PG_VERSION'))) {
      expect(child.exitCode).toBeNull();
      await delay(5);
    }
    await kill(child);
    const { lines } = startCommitter();
    expect((await lines.next()).value).toBe('open');
    expect((await lines.next()).value).toBe('1');
  },
  TIMEOUT_MS,
);

it(
  'refuses a folder that a live server has, naming both, and takes a dead one’s',
  async () => {
    await createDatabase();
    const { child, lines } = startCommitter();
    expect((await lines.next()).value).toBe('open');
    const refused = await openPglite({ dataDir: folder }).catch(error => error);
    expect(refused.message).toContain(`process ${child.pid}`);
    expect(refused.message).toContain(folder);
    const ack = Number((await lines.next()).value);
    await kill(child);
    expect((await readRows()).length).toBeGreaterThanOrEqual(ack);
  },
  TIMEOUT_MS,
);

/**
 * A process for the tests that kill one: opens the embedded database in the folder given, prints
 * `{"open":url}`, then commits rows 1, 2, 3 … and prints `{"ack":n}` after each was acknowledged. A
 * commit that fails is tried again. What the database logs is printed too. SIGTERM closes it.
 *
 * With `held` as second argument, a child that holds the folder's lock is started, and named.
 */
import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { isUniqueViolation, openEmbeddedDatabase, openPostgres } from '../../index.ts';

const RETRY_PAUSE_MS = 50;

const print = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
const logged = (event: string, fields: Record<string, unknown> = {}) => {
  const { error, ...others } = fields;
  print({ event, ...others, ...(error instanceof Error && { error: error.message }) });
};

const [dataDir, mode] = process.argv.slice(2);
const embedded = await openEmbeddedDatabase({
  dataDir: dataDir!,
  // The tests kill processes, not the machine.
  sync: false,
  log: { info: logged, warn: logged, error: logged },
});
if (mode === 'held') {
  const script = `
    const { execSync } = require('node:child_process');
    const inherited = execSync('ls -l /proc/self/fd').toString();
    console.log(process.pid, inherited.includes('holdfast.lock'));
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['-e', script], {
    stdio: ['ignore', 'pipe', 'ignore', embedded.lockFd],
  });
  child.stdout!.once('data', data => {
    const [pid, leaks] = String(data).trim().split(' ');
    print({ holder: Number(pid), leaks: leaks === 'true' });
  });
}
const database = await openPostgres({ url: embedded.url, poolSize: 1, maxOverflow: 1 });
let closing = false;
process.on('SIGTERM', () => {
  closing = true;
});
await sql`create table if not exists acks (id integer primary key)`.execute(database.db);
const { rows } = await sql<{ last: number }>`
  select coalesce(max(id), 0) as last from acks`.execute(database.db);
print({ open: embedded.url, had: rows[0]!.last });
for (let id = rows[0]!.last + 1; !closing; ) {
  try {
    await database.transaction(async trx => {
      await sql`insert into acks values (${id})`.execute(trx);
    });
  } catch (error) {
    // The earlier commit succeeded, and its answer was lost.
    if (!isUniqueViolation(error)) {
      print({ refused: id });
      await delay(RETRY_PAUSE_MS);
      continue;
    }
  }
  print({ ack: id });
  id += 1;
}
await database.close();
await embedded.close();

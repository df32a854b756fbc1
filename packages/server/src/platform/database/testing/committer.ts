/**
 * A process for the tests that kill one: opens the embedded database in the folder given, says
 * `open`, then commits rows 1, 2, 3 … and prints each number after its commit was acknowledged.
 */
import { sql } from 'kysely';
import { openPglite } from '../index.ts';

const database = await openPglite({ dataDir: process.argv[2] });
await sql`create table if not exists acks (id integer primary key)`.execute(database.db);
const { rows } = await sql<{ last: number }>`
  select coalesce(max(id), 0) as last from acks`.execute(database.db);
process.stdout.write('open\n');
for (let id = rows[0]!.last + 1; ; id += 1) {
  await database.transaction(async trx => {
    await sql`insert into acks values (${id})`.execute(trx);
  });
  process.stdout.write(`${id}\n`);
}

/** Looks for a text in everything that a server keeps: its data folder, and its database. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { constants, gunzipSync } from 'node:zlib';
import { sql } from 'kysely';
import type { Database } from '../../../packages/server/src/platform/database/index.ts';

const GIT_OUTPUT_MAX_BYTES = 256 * 1024 ** 2;

/** Files below a folder that hold the text, inside of gzip too; git repositories as one. */
export function filesWith(dir: string, text: string): string[] {
  const forms = formsOf(text);
  const found: string[] = [];
  const look = (folder: string) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        const isRepository = ['HEAD', 'objects'].every(name => existsSync(join(path, name)));
        if (isRepository && holds(objectsOf(path), forms)) found.push(path);
        look(path);
      } else if (entry.isFile() && holds(unpacked(readFileSync(path)), forms)) found.push(path);
    }
  };
  look(dir);
  return found.map(path => relative(dir, path)).toSorted();
}

/** `schema.table` of each table with a row that holds the text, in whatever column. */
export async function tablesWith(database: Database, text: string): Promise<string[]> {
  const { rows } = await sql<{ schema: string; name: string }>`
    select table_schema as schema, table_name as name from information_schema.tables
    where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')
    order by 1, 2`.execute(database.db);
  const patterns = formsOf(text).map(form => `%${form}%`);
  const found: string[] = [];
  for (const { schema, name } of rows) {
    const hit = await sql`select from ${sql.id(schema, name)} as t
      where t::text like any(${patterns}::text[]) limit 1`.execute(database.db);
    if (hit.rows.length > 0) found.push(`${schema}.${name}`);
  }
  return found;
}

/** As it is, in hexadecimal (PostgreSQL's way to show bytes), and wherever in a text in base64. */
function formsOf(text: string): string[] {
  const shifted = [0, 1, 2].map(shift => {
    const base64 = Buffer.from('\0'.repeat(shift) + text).toString('base64');
    return base64.slice(Math.ceil((shift * 8) / 6), -4);
  });
  return [text, Buffer.from(text).toString('hex'), ...shifted];
}

function holds(bytes: Buffer, forms: readonly string[]): boolean {
  return forms.some(form => bytes.includes(form));
}

function unpacked(bytes: Buffer): Buffer {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH });
  } catch {
    return bytes;
  }
}

function objectsOf(repository: string): Buffer {
  return execFileSync('git', ['cat-file', '--batch-all-objects', '--batch', '--unordered'], {
    env: { PATH: process.env.PATH ?? '', GIT_DIR: repository },
    maxBuffer: GIT_OUTPUT_MAX_BYTES,
  });
}

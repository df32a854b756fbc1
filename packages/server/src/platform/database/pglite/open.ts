/**
 * The embedded adapter: PGlite (PostgreSQL 18 in WebAssembly) in a worker thread, its files in
 * `<dataDir>/database`. It does not sync to disk: it survives the kill of the process, not the
 * loss of power. The data folder is locked against a second server while it is open.
 */
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type DataFolderLock, lockDataFolder } from '../data-folder-lock.ts';
import type { Database } from '../database.ts';
import { unavailable } from '../errors.ts';
import { PortDatabase } from '../port.ts';
import type { SqlSession, SqlSource } from '../session.ts';
import { PgliteClient } from './client.ts';
import type { StatementResult } from './messages.ts';

export interface PgliteOptions {
  /** The server's data folder, made if missing. Left out: in memory, for tests and tools. */
  readonly dataDir?: string | undefined;
  /** A new database starts from this dump (`lite.dump()`); one that exists is left as it is. */
  readonly dumpFile?: string | undefined;
  /** Receives every statement's SQL text, never its parameters. */
  readonly echo?: ((sql: string) => void) | undefined;
}

export interface PgliteDatabase extends Database {
  /** For libraries made for PGlite. It shares the one session: never use it in a transaction. */
  readonly lite: PgliteClient;
}

/**
 * Opens (or creates) the embedded database. Throws when another server has the folder. The caller
 * must `close()` it.
 */
export async function openPglite(options: PgliteOptions = {}): Promise<PgliteDatabase> {
  const { dataDir } = options;
  const lock = dataDir === undefined ? undefined : lockDataFolder(dataDir);
  try {
    const folder = dataDir === undefined ? undefined : join(dataDir, 'database');
    if (folder !== undefined && !existsSync(folder)) await create(folder, options.dumpFile);
    const dumpFile = folder === undefined ? options.dumpFile : undefined;
    return assemble(await PgliteClient.open({ folder, dumpFile }), lock, options);
  } catch (error) {
    lock?.release();
    throw error;
  }
}

/**
 * Creates the database under another name first: whoever is killed in the middle leaves nothing
 * behind that looks like a database.
 */
async function create(folder: string, dumpFile: string | undefined): Promise<void> {
  const draft = `${folder}.new`;
  await rm(draft, { recursive: true, force: true });
  const lite = await PgliteClient.open({ folder: draft, dumpFile });
  await lite.close();
  await rename(draft, folder);
}

function assemble(
  lite: PgliteClient,
  lock: DataFolderLock | undefined,
  options: PgliteOptions,
): PgliteDatabase {
  const database = new PortDatabase({
    adapter: 'pglite',
    capabilities: { multipleConnections: false, sharedAcrossProcesses: false },
    source: new PgliteSource(lite),
    echo: options.echo,
    async listen(channel, onPayload) {
      return { close: await lite.listen(channel, onPayload) };
    },
    async afterClose() {
      lock?.release();
    },
  });
  return Object.assign(database, { lite, embedded: lite });
}

/** A session is only a name for "one statement at a time"; the worker hands out the turns. */
class PgliteSource implements SqlSource {
  readonly #lite: PgliteClient;

  constructor(lite: PgliteClient) {
    this.#lite = lite;
  }

  async acquire(): Promise<SqlSession> {
    return new PgliteSession(this.#lite);
  }

  get waiting(): number {
    return this.#lite.pending;
  }

  close(): Promise<void> {
    return this.#lite.close();
  }
}

class PgliteSession implements SqlSession {
  readonly pipelined = false;
  readonly #lite: PgliteClient;
  #tx: number | undefined;
  #released = false;

  constructor(lite: PgliteClient) {
    this.#lite = lite;
  }

  async query(sql: string, parameters: readonly unknown[]) {
    this.#assertHeld();
    const values = parameters.map(value => (value === undefined ? null : value));
    const request = { kind: 'query', tx: this.#tx, sql, parameters: values } as const;
    const { rows, affectedRows } = (await this.#lite.send(request)) as StatementResult;
    return { rows, affectedRows };
  }

  async script(sql: string): Promise<void> {
    this.#assertHeld();
    await this.#lite.send({ kind: 'exec', tx: this.#tx, sql });
  }

  async begin(timeoutMs: number): Promise<void> {
    this.#tx = await this.#lite.begin(timeoutMs);
  }

  async commit(): Promise<void> {
    if (this.#tx !== undefined) await this.#lite.send({ kind: 'commit', tx: this.#tx });
  }

  async rollback(): Promise<void> {
    if (this.#tx !== undefined) await this.#lite.send({ kind: 'rollback', tx: this.#tx });
  }

  release(): void {
    this.#released = true;
  }

  #assertHeld(): void {
    if (this.#released) throw unavailable('The transaction is over.');
  }
}

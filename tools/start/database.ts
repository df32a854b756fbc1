import {
  type EmbeddedDatabase,
  openEmbeddedDatabase,
} from '../../packages/server/src/platform/database/embedded/open.ts';

/** Lines for people about the end and the restart of the database; other events stay as logged. */
const SENTENCES: Readonly<Record<string, string>> = {
  'database.ended': 'The database ended; starting it again.',
  'database.restarted': 'The database runs again.',
  'database.not_restarted': 'The database could not be started again; trying on.',
};

/** The embedded database, kept running; what happens to it is one plain line each. */
export function startDatabase(dataDir: string, poolMax: number): Promise<EmbeddedDatabase> {
  const line = (event: string, fields: Record<string, unknown> = {}) => {
    const { cause, detail, error, ...rest } = fields;
    const why = cause ?? detail ?? (error instanceof Error ? error.message : error);
    const sentence = SENTENCES[event] ?? `${event} ${JSON.stringify(rest)}`;
    console.error(why === undefined ? sentence : `${sentence} ${why}`);
  };
  const log = { info: line, warn: line, error: line };
  return openEmbeddedDatabase({ dataDir, poolMax, log });
}

import { Readable } from 'node:stream';
import type { Database } from '../platform/database/index.ts';
import { type Log, READ_MAX_EVENTS } from '../platform/log/index.ts';

/** Everything that agent and tools wrote so far, read a page at a time as it is consumed. */
export function outputsOf(
  deps: { readonly database: Database; readonly log: Log },
  runId: string,
): Readable {
  return Readable.from(outputs(deps, runId));
}

async function* outputs(
  { database, log }: { readonly database: Database; readonly log: Log },
  subject: string,
): AsyncGenerator<string> {
  let after = 0;
  for (;;) {
    const limit = READ_MAX_EVENTS;
    const page = await log.read(database.db, { subject, after, limit, includePrivate: true });
    const text = page
      .filter(event => event.type === 'agent.output')
      .map(event => String(event.data.text ?? ''))
      .join('');
    if (text !== '') yield text;
    if (page.length < limit) return;
    after = page.at(-1)!.seq;
  }
}

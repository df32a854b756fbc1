import { Readable } from 'node:stream';
import type { EventEnvelope } from '@holdfast/protocol';
import type { Database } from '../platform/database/index.ts';
import { type Log, READ_MAX_EVENTS } from '../platform/log/index.ts';

interface LogTextDeps {
  readonly database: Database;
  readonly log: Log;
}

/**
 * The output of agent and tools so far, read a page at a time as it is consumed. Raw output stays
 * unchanged; messages and tools begin on a line of their own.
 */
export function logTextOf(deps: LogTextDeps, runId: string): Readable {
  return Readable.from(readText(deps, runId));
}

async function* readText({ database, log }: LogTextDeps, subject: string): AsyncGenerator<string> {
  let after = 0;
  let atLineStart = true;
  for (;;) {
    const limit = READ_MAX_EVENTS;
    const page = await log.read(database.db, { subject, after, limit, includePrivate: true });
    let text = '';
    for (const event of page) {
      const next = textOf(event, atLineStart);
      if (next === '') continue;
      text += next;
      atLineStart = next.endsWith('\n');
    }
    if (text !== '') yield text;
    if (page.length < limit) return;
    after = page.at(-1)!.seq;
  }
}

function textOf({ type, data }: EventEnvelope, atLineStart: boolean): string {
  if (type === 'agent.output') return textIn(data.text);
  const lines = linesOf(type, data).trimEnd();
  return lines === '' ? '' : `${atLineStart ? '' : '\n'}${lines}\n`;
}

function linesOf(type: string, data: EventEnvelope['data']): string {
  switch (type) {
    case 'agent.message':
      return textIn(data.text);
    case 'tool.started':
      return `> ${textIn(data.name)} ${textIn(data.input)}`;
    case 'tool.finished':
      return textIn(data.output);
    default:
      return '';
  }
}

function textIn(field: unknown): string {
  return typeof field === 'string' ? field : '';
}

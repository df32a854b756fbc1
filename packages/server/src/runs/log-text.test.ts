import { text } from 'node:stream/consumers';
import type { EventEnvelope } from '@holdfast/protocol';
import { expect, it } from 'vitest';
import type { Database } from '../platform/database/index.ts';
import type { Log } from '../platform/log/index.ts';
import { READ_MAX_EVENTS } from '../platform/log/index.ts';
import { logTextOf } from './log-text.ts';

type LogEvent = Pick<EventEnvelope, 'type' | 'data'>;

/** The text of a run with that log. */
function written(events: readonly LogEvent[]): Promise<string> {
  const log = {
    read: async (_db: unknown, { after, limit }: { after: number; limit: number }) =>
      events.map((event, index) => ({ ...event, seq: index + 1 })).slice(after, after + limit),
  } as unknown as Log;
  return text(logTextOf({ log, database: {} as Database }, 'run_1'));
}

const message = (words: string): LogEvent => ({ type: 'agent.message', data: { text: words } });
const raw = (words: string): LogEvent => ({ type: 'agent.output', data: { text: words } });

it('writes messages and tools in lines, and leaves raw output unchanged', async () => {
  const events = [
    { type: 'run.started', data: { replica: 'rep_a' } },
    message('I read sum.js.'),
    { type: 'tool.started', data: { name: 'read_file', input: '{"path":"sum.js"}' } },
    { type: 'tool.finished', data: { output: 'return a - b;\n' } },
    raw('\u001b[32mo'),
    raw('k\u001b[0m'),
    message('I mend it.\n'),
    { type: 'tool.started', data: { name: 'stop' } },
    { type: 'tool.finished', data: { status: 'ok' } },
    { type: 'agent.message', data: { role: 'assistant' } },
  ];
  expect(await written(events)).toBe(
    [
      'I read sum.js.',
      '> read_file {"path":"sum.js"}',
      'return a - b;',
      '\u001b[32mok\u001b[0m',
      'I mend it.',
      '> stop',
      '',
    ].join('\n'),
  );
});

it('continues over pages, also where one ends within a line', async () => {
  const events = [...Array.from({ length: READ_MAX_EVENTS }, () => raw('.')), message('Done.')];
  expect(await written(events)).toBe(`${'.'.repeat(READ_MAX_EVENTS)}\nDone.\n`);
  expect(await written([])).toBe('');
});

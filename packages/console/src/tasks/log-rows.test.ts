import type { EventEnvelope } from '@holdfast/protocol';
import { describe, expect, it } from 'vitest';
import { drawable, findRows, LINE_MAX_CHARS, LogRows, plain, runningColours } from './log-rows.ts';

const ESC = '\u001b';
let seq = 0;

function event(type: string, data: Record<string, unknown> = {}, atMs = 0): EventEnvelope {
  return { seq: ++seq, type, data, at: new Date(atMs).toISOString() } as EventEnvelope;
}

const output = (text: string, stream = 'stdout') => event('agent.output', { text, stream });

function rowsOf(...events: EventEnvelope[]) {
  const log = new LogRows();
  log.update(events);
  return log.rows;
}

const texts = (...events: EventEnvelope[]) =>
  rowsOf(...events).map(row => (row.kind === 'line' ? row.text : row.kind));

describe('LogRows', () => {
  it('makes a row of each line, also of one that arrives in pieces', () => {
    expect(texts(output('one\ntw'), output('o\nthree'), output('!\n'), output('four\n'))).toEqual([
      'one',
      'two',
      'three!',
      'four',
    ]);
    expect(texts(output('\n\na\n'))).toEqual(['', '', 'a']);
  });

  it('keeps the streams apart and ends a line where another row begins', () => {
    const rows = rowsOf(output('a'), output('E\n', 'stderr'), output('b\n'), output('c'));
    expect(rows.map(row => row.kind === 'line' && [row.stream, row.text])).toEqual([
      ['stdout', 'ab'],
      ['stderr', 'E'],
      ['stdout', 'c'],
    ]);
    expect(
      texts(output('a'), event('agent.message', { text: 'x', role: 'assistant' }), output('b')),
    ).toEqual(['a', 'say', 'b']);
  });

  it('lets a progress bar overwrite itself and cuts a line that does not end', () => {
    expect(texts(output('10 %\r50 %\r'), output('100 %\r\nnext'))).toEqual(['100 %', 'next']);
    const [row] = rowsOf(output('x'.repeat(LINE_MAX_CHARS)), output('y'));
    expect(row?.kind === 'line' && row.text.length).toBe(LINE_MAX_CHARS);
  });

  it('carries colours over the ends of lines', () => {
    const [, second, third] = rowsOf(output(`${ESC}[31mred\nstill`), output(`${ESC}[0m\nplain\n`));
    expect(second).toMatchObject({ text: `${ESC}[31mstill${ESC}[0m` });
    expect(third).toMatchObject({ text: 'plain' });
  });

  it('folds a tool call with its outcome', () => {
    const call = { call_id: 'c1' };
    const rows = rowsOf(
      event('tool.started', { ...call, name: 'bash', input: 'ls' }, 1000),
      output('x\n'),
      event('tool.finished', { ...call, status: 'error', exit_code: 2, output: 'no' }, 3500),
      event('tool.finished', { call_id: 'unknown', status: 'ok' }),
    );
    expect(rows).toHaveLength(2);
    expect(rows[0]).toMatchObject({
      tool: { name: 'bash', input: 'ls', output: 'no', status: 'error', exitCode: 2, seconds: 2.5 },
    });
  });

  it('shows state changes as notes and leaves out what other parts of the page show', () => {
    expect(
      texts(event('run.created'), event('run.started'), event('agent.plan'), event('run.failed')),
    ).toEqual(['note', 'note']);
  });

  it('marks where the output was cut off', () => {
    expect(texts(event('agent.output', { text: 'a', stream: 'stdout', truncated: true }))).toEqual([
      'a',
      'note',
    ]);
  });

  it('shows nothing of what the reader may not see', () => {
    expect(
      rowsOf(event('agent.message', { role: 'assistant' }), event('agent.output', {})),
    ).toEqual([]);
  });

  it('continues in a log that grows and starts again with another log', () => {
    const log = new LogRows();
    const events = [output('a\n')];
    expect(log.update(events)).toBe(true);
    expect(log.update(events)).toBe(false);
    events.push(output('b\n'));
    log.update(events);
    expect(log.rows).toHaveLength(2);
    log.update([output('c\n')]);
    expect(log.rows).toMatchObject([{ text: 'c' }]);
  });

  it('takes 50,000 lines in well under a second', () => {
    const events = Array.from({ length: 500 }, () =>
      output(`${ESC}[32mline${ESC}[0m\n`.repeat(100)),
    );
    const from = performance.now();
    expect(rowsOf(...events)).toHaveLength(50_000);
    expect(performance.now() - from).toBeLessThan(1000);
  });
});

describe('terminal codes', () => {
  it('are removed except for colours', () => {
    const link = `${ESC}]8;;https://x.test\u0007link${ESC}]8;;\u0007`;
    const text = `${link} ${ESC}[2K${ESC}[1;31mred${ESC}[0m\u0008${ESC}(B`;
    expect(drawable(text)).toBe(`link ${ESC}[1;31mred${ESC}[0m`);
    expect(plain(text)).toBe('link red');
  });

  it('apply until they are reset', () => {
    expect(runningColours(`${ESC}[1m${ESC}[31m`)).toBe(`${ESC}[1m${ESC}[31m`);
    expect(runningColours(`${ESC}[1mx${ESC}[m`)).toBe('');
    expect(runningColours(`${ESC}[1m`.repeat(99)).length).toBe(8 * 4);
  });
});

describe('findRows', () => {
  it('searches lines, messages and tools, ignoring case and colours', () => {
    const rows = rowsOf(
      output(`${ESC}[31mFa${ESC}[1milure${ESC}[0m\n`),
      event('tool.started', { call_id: 'c', name: 'bash', input: 'npm test # failure' }),
      event('agent.message', { role: 'assistant', text: 'All well.' }),
    );
    expect(findRows(rows, 'FAILURE')).toEqual([0, 1]);
    expect(findRows(rows, 'well')).toEqual([2]);
    expect(findRows(rows, '  ')).toEqual([]);
  });
});

import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { LINE_MAX_BYTES, type Line, LineSplitter, readLines } from './lines.ts';

function split(chunks: readonly (string | Buffer)[], maxBytes = LINE_MAX_BYTES): Line[] {
  const lines: Line[] = [];
  const splitter = new LineSplitter(line => lines.push(line), { maxBytes });
  for (const chunk of chunks) splitter.push(Buffer.from(chunk));
  splitter.end();
  return lines;
}

describe('lines of an agent', () => {
  it('are put together from chunks, with and without a carriage return', () => {
    const lines = split(['{"a"', ':1}\r\n\n{"b":', '2}\nlast']);
    expect(lines.map(({ text }) => text)).toEqual(['{"a":1}', '', '{"b":2}', 'last']);
  });

  it('keep exactly the bound and count what is beyond it', () => {
    const lines = split(['12345\n123456\n', '123', '4567', '89\nok'], 5);
    expect(lines).toEqual([
      { text: '12345', droppedBytes: 0 },
      { text: '12345', droppedBytes: 1 },
      { text: '12345', droppedBytes: 4 },
      { text: 'ok', droppedBytes: 0 },
    ]);
  });

  it('survive bytes that are not UTF-8, and a character cut by a chunk', () => {
    const euro = Buffer.from('€');
    const lines = split([Buffer.from([0xff, 0x41, 0x0a]), euro.subarray(0, 1), euro.subarray(1)]);
    expect(lines.map(({ text }) => text)).toEqual(['\ufffdA', '€']);
  });

  it('do not grow memory with a line of a gigabyte', async () => {
    const chunk = Buffer.alloc(1024 * 1024, 'x');
    const total = 1024;
    let peakBytes = 0;
    function* gigabyte() {
      for (let sent = 0; sent < total; sent++) {
        if (sent % 64 === 0) peakBytes = Math.max(peakBytes, process.memoryUsage().arrayBuffers);
        yield chunk;
      }
    }
    const before = process.memoryUsage().arrayBuffers;
    const lines: Line[] = [];
    await readLines(Readable.from(gigabyte()), line => lines.push(line));
    expect(lines).toHaveLength(1);
    expect(lines[0]!.text).toHaveLength(LINE_MAX_BYTES);
    expect(lines[0]!.droppedBytes).toBe(total * chunk.length - LINE_MAX_BYTES);
    expect(peakBytes - before).toBeLessThan(64 * 1024 * 1024);
  });
});

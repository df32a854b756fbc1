import type { Readable } from 'node:stream';

/**
 * Lines of an untrusted process. Memory is bounded by `LINE_MAX_BYTES`: the rest of a longer line
 * is counted and dropped. Bytes that are not UTF-8 become U+FFFD.
 */
export const LINE_MAX_BYTES = 4 * 1024 * 1024;

const NEWLINE = 0x0a;

export interface Line {
  readonly text: string;
  /** Bytes of the line that were dropped; 0 for a whole line. */
  readonly droppedBytes: number;
}

interface LineOptions {
  readonly maxBytes?: number;
}

/** Takes chunks and calls back once per line. `end` passes a last line without a newline. */
export class LineSplitter {
  private parts: Buffer[] = [];
  private heldBytes = 0;
  private droppedBytes = 0;
  private readonly maxBytes: number;
  private readonly onLine: (line: Line) => void;

  constructor(onLine: (line: Line) => void, options: LineOptions = {}) {
    this.onLine = onLine;
    this.maxBytes = options.maxBytes ?? LINE_MAX_BYTES;
  }

  push(chunk: Buffer): void {
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, from);
      if (end < 0) break;
      this.hold(chunk.subarray(from, end));
      this.flush();
      from = end + 1;
    }
    this.hold(chunk.subarray(from));
  }

  end(): void {
    if (this.heldBytes > 0) this.flush();
  }

  private hold(part: Buffer): void {
    const room = this.maxBytes - this.heldBytes;
    const kept = part.subarray(0, room);
    if (kept.length > 0) this.parts.push(Buffer.from(kept));
    this.heldBytes += kept.length;
    this.droppedBytes += part.length - kept.length;
  }

  private flush(): void {
    const text = Buffer.concat(this.parts).toString('utf8').replace(/\r$/, '');
    const { droppedBytes } = this;
    this.parts = [];
    this.heldBytes = 0;
    this.droppedBytes = 0;
    this.onLine({ text, droppedBytes });
  }
}

/** Reads `stream` to its end. Resolves also when the stream fails; never rejects. */
export function readLines(
  stream: Readable,
  onLine: (line: Line) => void,
  options?: LineOptions,
): Promise<void> {
  const splitter = new LineSplitter(onLine, options);
  return new Promise(resolve => {
    const finish = () => {
      splitter.end();
      resolve();
    };
    stream.on('data', (chunk: Buffer | string) => {
      splitter.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
    });
    stream.on('error', () => {});
    stream.once('close', finish);
    if (stream.destroyed) finish();
  });
}

import type { Readable } from 'node:stream';

const LINE_MAX_CHARS = 2_000;
const KEPT_LINES = 20;
const NO_ROOM = /No space left on device|Disk quota exceeded/;
const READY = /^LOG: {2}database system is ready to accept connections/;

/**
 * What one run of the server prints. Its lines are kept for the report on its end, not logged one
 * by one: a server that cannot start prints the same every few seconds.
 */
export class ServerLog {
  readonly #lines: string[] = [];
  readonly #heard: { onReady(): void; onNoRoom(): void };
  #rest = '';

  constructor(stream: Readable, heard: { onReady(): void; onNoRoom(): void }) {
    this.#heard = heard;
    stream.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n');
      this.#rest = lines.pop()!.slice(-LINE_MAX_CHARS);
      for (const line of lines) this.#take(line);
    });
  }

  #take(line: string): void {
    if (READY.test(line)) this.#heard.onReady();
    if (NO_ROOM.test(line)) this.#heard.onNoRoom();
    this.#lines.push(line.slice(0, LINE_MAX_CHARS));
    if (this.#lines.length > KEPT_LINES) this.#lines.shift();
  }

  get hasNoRoom(): boolean {
    return NO_ROOM.test(this.#lines.join('\n'));
  }

  /** The last lines, the error message first. */
  get tail(): string {
    return faults(this.#lines.join('\n'));
  }
}

/** One line of what a program of PostgreSQL printed: its last error message. */
export function faults(output: string): string {
  const lines = output
    .split('\n')
    .filter(line => line.includes(': ') && !/^(LOG|HINT|DETAIL|CONTEXT):/.test(line));
  return lines.slice(-3).join('; ');
}

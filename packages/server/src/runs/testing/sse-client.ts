import { connect, type Socket } from 'node:net';

export interface SseMessage {
  readonly id: string | null;
  readonly event: string | null;
  readonly data: string;
}

/**
 * One connection to a stream, on a bare socket, so that a test decides what is read and when it is
 * cut. Messages are split at empty lines after the chunks of HTTP were put together.
 */
export class SseConnection {
  readonly socket: Socket;
  readonly messages: SseMessage[] = [];
  comments = 0;
  head = '';
  /** The response ended in good order. */
  ended = false;
  closed = false;
  #raw = Buffer.alloc(0);
  #text = '';
  readonly #waiting = new Set<() => void>();

  constructor(url: string, headers: Record<string, string> = {}) {
    const { hostname, port, pathname, search, host } = new URL(url);
    const lines = Object.entries({ host, ...headers }).map(([name, value]) => `${name}: ${value}`);
    this.socket = connect(Number(port), hostname, () => {
      this.socket.write(`GET ${pathname}${search} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
    });
    this.socket.on('data', chunk => this.#take(chunk));
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  get status(): number {
    return Number(this.head.split(' ')[1]);
  }

  /** Resolves once `condition` holds; rejects after ten seconds. */
  async until(condition: () => boolean): Promise<void> {
    const deadline = performance.now() + 10_000;
    while (!condition()) {
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`It never came: ${JSON.stringify(this.messages.slice(-3))}`);
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, left);
        this.#waiting.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  cut(): void {
    this.socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#raw = Buffer.concat([this.#raw, chunk]);
    if (this.head === '') {
      const end = this.#raw.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.head = this.#raw.subarray(0, end).toString('latin1');
      this.#raw = this.#raw.subarray(end + 4);
    }
    for (;;) {
      const line = this.#raw.indexOf('\r\n');
      const size =
        line < 0 ? Number.NaN : Number.parseInt(this.#raw.toString('latin1', 0, line), 16);
      if (Number.isNaN(size) || this.#raw.length < line + 4 + size) break;
      if (size === 0) this.ended = true;
      this.#text += this.#raw.toString('utf8', line + 2, line + 2 + size);
      this.#raw = this.#raw.subarray(line + 4 + size);
      if (this.ended) break;
    }
    this.#split();
    this.#wake();
  }

  #split(): void {
    const blocks = this.#text.split('\n\n');
    this.#text = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = new Map(
        block.split('\n').map(line => {
          const colon = line.indexOf(':');
          return [line.slice(0, colon), line.slice(colon + 2)] as const;
        }),
      );
      if (fields.has('')) this.comments += 1;
      const data = fields.get('data');
      if (data === undefined) continue;
      this.messages.push({
        id: fields.get('id') ?? null,
        event: fields.get('event') ?? null,
        data,
      });
    }
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }
}

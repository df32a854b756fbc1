/**
 * Subscribers in a process of their own: each a plain TCP connection that reads one event stream
 * and counts `id:` lines, so that reading costs little beside what is measured.
 *
 * Messages in: `open` (up to a number of subscribers), `count` (events since the last time),
 * `close`. Each is answered once; `count` with a number.
 */
import { connect, type Socket } from 'node:net';
import type { LoadRequest } from './load-client.ts';

const ID = Buffer.from('\nid: ');
/** Connections under way at once: listeners have short queues. */
const OPEN_AT_ONCE = 50;

class Subscriber {
  readonly #socket: Socket;
  readonly opened: Promise<void>;
  #rest = Buffer.alloc(0);
  count = 0;

  constructor({ port, path }: { port: number; path: string }) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.opened = promise;
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.setNoDelay(true);
    const head = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n`;
    this.#socket.write(`${head}Accept: text/event-stream\r\n\r\n`);
    this.#socket.once('data', chunk => {
      const line = chunk.toString('latin1', 0, 40).split('\r\n')[0]!;
      if (/ 200 /.test(line)) resolve();
      else reject(new Error(`${path}: ${line}`));
    });
    this.#socket.on('data', chunk => this.#take(chunk));
    this.#socket.on('error', reject);
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Counts markers, those that two chunks share included. */
  #take(chunk: Buffer): void {
    const head = Buffer.concat([this.#rest, chunk.subarray(0, ID.length - 1)]);
    if (head.includes(ID)) this.count += 1;
    for (let at = chunk.indexOf(ID); at >= 0; at = chunk.indexOf(ID, at + ID.length)) {
      this.count += 1;
    }
    this.#rest = Buffer.from(chunk.subarray(Math.max(0, chunk.length - ID.length + 1)));
  }
}

const subscribers = new Map<string, Subscriber[]>();

async function open({ target, port, path, count }: LoadRequest & { kind: 'open' }): Promise<void> {
  const list = subscribers.get(target) ?? [];
  subscribers.set(target, list);
  while (list.length < count) {
    const more = Array.from(
      { length: Math.min(OPEN_AT_ONCE, count - list.length) },
      () => new Subscriber({ port, path }),
    );
    list.push(...more);
    await Promise.all(more.map(one => one.opened));
  }
}

function count({ target }: LoadRequest): number {
  let total = 0;
  for (const one of subscribers.get(target) ?? []) {
    total += one.count;
    one.count = 0;
  }
  return total;
}

function close({ target }: LoadRequest): void {
  for (const one of subscribers.get(target) ?? []) one.close();
  subscribers.delete(target);
}

process.on('message', async (request: LoadRequest) => {
  try {
    let value = 0;
    if (request.kind === 'open') await open(request);
    else if (request.kind === 'count') value = count(request);
    else close(request);
    process.send!({ value });
  } catch (error) {
    process.send!({ error: String(error) });
  }
});
process.send!('ready');

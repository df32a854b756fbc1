/**
 * A TCP proxy on loopback that breaks connections on demand, for tests of what a client does when
 * its server goes away: cut now, cut before a certain answer, refuse, or go silent.
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { StatementTexts } from './statement-texts.ts';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  readonly texts: StatementTexts;
}

interface Trap {
  readonly text: string;
  readonly first: string | undefined;
  /** That sent `first`. */
  pair: Pair | undefined;
  sprung(): void;
}

export class TcpProxy {
  readonly port: number;
  readonly #listener: Server;
  readonly #targetPort: number;
  readonly #pairs = new Set<Pair>();
  #refusing = false;
  #silent = false;
  #watcher: ((sent: Buffer) => void) | undefined;
  #trap: Trap | undefined;

  /** Use `startTcpProxy`. */
  constructor(listener: Server, port: number, targetPort: number) {
    this.port = port;
    this.#listener = listener;
    this.#targetPort = targetPort;
    listener.on('connection', client => this.#accept(client));
  }

  /** Open connections. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Cuts all connections. */
  cut(): void {
    for (const pair of this.#pairs) destroy(pair);
  }

  /**
   * The next time a client sends bytes that contain `text`, they are passed on and the connection
   * is cut when the server answers, before the answer comes through. Resolves when that happened.
   * With `first`, on the connection that sends that before, and on no other.
   */
  cutAfter(text: string, first?: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#trap = { text, first, pair: undefined, sprung: resolve };
    return promise;
  }

  /**
   * Shows what clients send, with the texts of prepared statements, each time before it is passed
   * on. The newest watcher counts.
   */
  watch(watcher: (sent: Buffer) => void): void {
    this.#watcher = watcher;
  }

  /** New connections are closed at once while true. */
  refuse(refusing: boolean): void {
    this.#refusing = refusing;
  }

  /** Nothing passes in either direction while true; connections stay open. */
  silence(silent: boolean): void {
    this.#silent = silent;
    for (const socket of [...this.#pairs].flatMap(pair => [pair.client, pair.server])) {
      if (silent) socket.pause();
      else socket.resume();
    }
  }

  async stop(): Promise<void> {
    const closed = once(this.#listener, 'close');
    this.#listener.close();
    this.cut();
    await closed;
  }

  #accept(client: Socket): void {
    if (this.#refusing) {
      client.destroy();
      return;
    }
    const server = connect(this.#targetPort, '127.0.0.1');
    const pair: Pair = { client, server, texts: new StatementTexts() };
    this.#pairs.add(pair);
    pair.server.on('data', chunk => client.write(chunk));
    client.on('data', chunk => {
      const shown = pair.texts.shown(chunk);
      this.#watcher?.(shown);
      this.#spring(pair, shown);
      pair.server.write(chunk);
    });
    for (const socket of [pair.client, pair.server]) {
      socket.on('error', () => destroy(pair)).on('close', () => destroy(pair));
      if (this.#silent) socket.pause();
    }
    client.once('close', () => this.#pairs.delete(pair));
  }

  #spring(pair: Pair, chunk: Buffer): void {
    const { client, server } = pair;
    if (!this.#trap) return;
    const { first, text } = this.#trap;
    if (first !== undefined) {
      if (chunk.includes(first)) this.#trap.pair = pair;
      if (this.#trap.pair !== pair) return;
    }
    if (!chunk.includes(text)) return;
    client.once('close', this.#trap.sprung);
    this.#trap = undefined;
    server.removeAllListeners('data').once('data', () => client.destroy());
  }
}

/** Starts a proxy, on a free port, to another port of this machine. */
export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('not listening');
  return new TcpProxy(listener, address.port, targetPort);
}

function destroy(pair: Pair): void {
  pair.client.destroy();
  pair.server.destroy();
}

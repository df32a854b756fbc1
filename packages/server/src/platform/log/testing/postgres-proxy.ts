/**
 * A TCP proxy before PostgreSQL that breaks connections where it hurts:
 *
 *   pass        bytes go through
 *   cut commit  the next COMMIT reaches PostgreSQL and is carried out, but its answer is thrown
 *               away and the connection is cut; after that it passes again
 *   down        new connections are refused and open ones cut
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A simple query message (`Q`, length, text, NUL) that holds COMMIT alone. */
const COMMIT = Buffer.concat([Buffer.from('Q'), Buffer.of(0, 0, 0, 11), Buffer.from('commit\0')]);

export interface PostgresProxy {
  /** The database's URL through the proxy. */
  readonly url: string;
  /** How many answers to COMMIT were thrown away. */
  readonly cuts: number;
  cutNextCommit(): void;
  down(): void;
  up(): void;
  close(): Promise<void>;
}

interface State {
  readonly target: URL;
  readonly sockets: Set<Socket>;
  mode: 'pass' | 'cut commit' | 'down';
  cuts: number;
}

export async function startPostgresProxy(targetUrl: string): Promise<PostgresProxy> {
  const state: State = { target: new URL(targetUrl), sockets: new Set(), mode: 'pass', cuts: 0 };
  const server = createServer(client => bridge(state, client));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(targetUrl);
  url.port = String((server.address() as AddressInfo).port);
  const cutAll = () => {
    for (const socket of state.sockets) socket.destroy();
  };
  return {
    url: url.href,
    get cuts() {
      return state.cuts;
    },
    cutNextCommit() {
      state.mode = 'cut commit';
    },
    down() {
      state.mode = 'down';
      cutAll();
    },
    up() {
      state.mode = 'pass';
    },
    async close() {
      cutAll();
      server.close();
      await once(server, 'close');
    },
  };
}

function bridge(state: State, client: Socket): void {
  if (state.mode === 'down') {
    client.destroy();
    return;
  }
  const upstream = connect(Number(state.target.port), state.target.hostname);
  let dropAnswer = false;
  const end = () => {
    client.destroy();
    upstream.destroy();
  };
  for (const socket of [client, upstream]) {
    state.sockets.add(socket);
    socket.on('error', end).on('close', () => {
      state.sockets.delete(socket);
      end();
    });
  }
  client.on('data', chunk => {
    if (state.mode === 'cut commit' && chunk.includes(COMMIT)) {
      state.mode = 'pass';
      dropAnswer = true;
    }
    upstream.write(chunk);
  });
  upstream.on('data', chunk => {
    if (!dropAnswer) {
      client.write(chunk);
      return;
    }
    state.cuts += 1;
    end();
  });
}

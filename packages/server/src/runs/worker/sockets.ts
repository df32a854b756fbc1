import { createServer, type RequestListener, type Server } from 'node:http';
import { listen, listenOnUnixSocket, type SocketOwner } from './unix-socket.ts';

/**
 * The way out of a run's sandbox to models: a Unix socket on which the model gateway answers this
 * run and nobody else.
 */
export interface ModelSocket {
  readonly path: string;
  /** For a sandbox that does not isolate: the same on a loopback port. */
  readonly url: string | null;
  close(): Promise<void>;
}

const HEADERS_TIMEOUT_MS = 10_000;
const CONNECTIONS_MAX = 32;

export interface ModelSocketOptions {
  readonly listener: RequestListener;
  /** Whose socket it is, where the agent runs as another user than we do. */
  readonly owner?: SocketOwner;
  /** Whether a loopback port is needed as well. */
  readonly tcp: boolean;
}

export async function openModelSocket(options: ModelSocketOptions): Promise<ModelSocket> {
  const undo: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    const server = serverOf(options.listener);
    const { path, remove } = await listenOnUnixSocket(server, 'model.sock', options.owner);
    undo.push(remove, () => closeServer(server));
    if (!options.tcp) return { path, url: null, close };
    const tcp = serverOf(options.listener);
    await listen(tcp, { host: '127.0.0.1', port: 0 });
    undo.push(() => closeServer(tcp));
    const address = tcp.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    return { path, url: `http://127.0.0.1:${port}`, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function serverOf(listener: RequestListener): Server {
  const server = createServer({ headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: 0 }, listener);
  server.maxConnections = CONNECTIONS_MAX;
  return server;
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise(resolve => server.close(() => resolve()));
}

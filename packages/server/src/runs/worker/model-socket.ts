import { chmod, chown, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * The one way out of a run's sandbox: a Unix socket on which the model gateway answers this run and
 * nobody else. Its folder is short-lived and named at random; only the agent's user may connect.
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
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Whether a loopback port is needed as well. */
  readonly tcp: boolean;
}

export async function openModelSocket(options: ModelSocketOptions): Promise<ModelSocket> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-run-'));
  const path = join(folder, 'model.sock');
  const servers: Server[] = [];
  const close = async () => {
    for (const server of servers) await closeServer(server);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    servers.push(await listen(options.listener, { path }));
    await chmod(path, 0o600);
    if (options.owner) {
      const { uid, gid } = options.owner;
      await chown(path, uid, gid);
      await chmod(folder, 0o711);
    }
    if (!options.tcp) return { path, url: null, close };
    const tcp = await listen(options.listener, { host: '127.0.0.1', port: 0 });
    servers.push(tcp);
    const address = tcp.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    return { path, url: `http://127.0.0.1:${port}`, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function listen(
  listener: RequestListener,
  where: { path: string } | { host: string; port: number },
): Promise<Server> {
  const server = createServer({ headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: 0 }, listener);
  server.maxConnections = CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => {
    // For as long as it lives: a connection that cannot be accepted must not end the process.
    server.on('error', reject);
    server.listen(where, resolve);
  });
  return server;
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise(resolve => server.close(() => resolve()));
}

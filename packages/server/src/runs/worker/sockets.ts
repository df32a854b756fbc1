import { chmod, chown, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server as HttpServer, type RequestListener } from 'node:http';
import type { ListenOptions, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SandboxOwner } from '../sandbox/sandbox.ts';

const HEADERS_TIMEOUT_MS = 10_000;
const CONNECTIONS_MAX = 32;

/** A way out of a run's sandbox. */
export interface RunSocket {
  readonly path: string;
  close(): Promise<void>;
}

/** The way out to models: a Unix socket on which the model gateway answers this run only. */
interface ModelSocket extends RunSocket {
  /** For a sandbox that does not isolate: the same on a loopback port. */
  readonly url: string | null;
}

export async function openModelSocket(options: {
  readonly listener: RequestListener;
  readonly owner?: SandboxOwner | undefined;
  /** Whether a loopback port is needed as well. */
  readonly tcp: boolean;
}): Promise<ModelSocket> {
  const { listener, owner, tcp } = options;
  const server = createModelServer(listener);
  const socket = await listenOnUnixSocket(server, 'model.sock', owner);
  const close = async () => {
    await closeServer(server);
    await socket.remove();
  };
  if (!tcp) return { path: socket.path, url: null, close };
  const loopback = createModelServer(listener);
  try {
    await listen(loopback, { host: '127.0.0.1', port: 0 });
  } catch (error) {
    await close();
    throw error;
  }
  const address = loopback.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    path: socket.path,
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      await closeServer(loopback);
      await close();
    },
  };
}

function createModelServer(listener: RequestListener): HttpServer {
  const server = createServer({ headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: 0 }, listener);
  server.maxConnections = CONNECTIONS_MAX;
  return server;
}

function closeServer(server: HttpServer): Promise<void> {
  server.closeAllConnections();
  return new Promise(resolve => server.close(() => resolve()));
}

/**
 * Listens on a Unix socket in a short-lived folder of its own, named at random: only `owner`, or
 * without one the user of this process, may connect. `remove` takes socket and folder away; the
 * caller closes the server before.
 */
export async function listenOnUnixSocket(
  server: Server,
  name: string,
  owner: SandboxOwner | undefined,
): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-run-'));
  const path = join(folder, name);
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    await listen(server, { path });
    await chmod(path, 0o600);
    if (owner) {
      await chown(path, owner.uid, owner.gid);
      await chmod(folder, 0o711);
    }
    return { path, remove };
  } catch (error) {
    server.close();
    await remove();
    throw error;
  }
}

async function listen(server: Server, where: ListenOptions): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    // Kept for the server's life: a connection that cannot be accepted must not end the process.
    server.on('error', reject);
    server.listen(where, resolve);
  });
}

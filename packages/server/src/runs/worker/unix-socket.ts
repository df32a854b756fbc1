import { chmod, chown, mkdtemp, rm } from 'node:fs/promises';
import type { ListenOptions, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SocketOwner {
  readonly uid: number;
  readonly gid: number;
}

export interface UnixSocket {
  readonly path: string;
  /** Removes socket and folder; the server is the caller's to close, before. */
  remove(): Promise<void>;
}

/**
 * Listens on a Unix socket in a short-lived folder of its own, named at random: only `owner`, or
 * where there is none the user that we are, may connect.
 */
export async function listenOnUnixSocket(
  server: Server,
  name: string,
  owner: SocketOwner | undefined,
): Promise<UnixSocket> {
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

export async function listen(server: Server, where: ListenOptions): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    // For as long as it lives: a connection that cannot be accepted must not end the process.
    server.on('error', reject);
    server.listen(where, resolve);
  });
}

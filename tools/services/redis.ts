/**
 * A throw-away Redis on a free loopback port: nothing on disk, gone after `stop()` or with this
 * process. Optionally with a password, and optionally with TLS only.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findBinary } from './binaries.ts';
import { removeFolder, startChild, withFreePort } from './child.ts';

export interface RedisOptions {
  readonly password?: string;
  /** The user that `password` belongs to. Default: Redis's own `default`. */
  readonly username?: string;
  /** Serve TLS and nothing else. */
  readonly tls?: { readonly certPem: string; readonly keyPem: string };
  /** A fixed port, to come back where an earlier instance was. */
  readonly port?: number;
}

export interface RedisService {
  readonly host: string;
  readonly port: number;
  /** `redis://` or `rediss://`, with the credentials asked for. */
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Starts Redis; throws one clear line when it cannot be had. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisService> {
  const command = await findBinary({ names: ['redis-server'], aptPackage: 'redis-server' });
  if (options.port !== undefined) return start(command, options.port, options);
  return withFreePort(port => start(command, port, options));
}

async function start(command: string, port: number, options: RedisOptions): Promise<RedisService> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-redis-'));
  const cleanUp = () => removeFolder(folder);
  const file = join(folder, 'redis.conf');
  try {
    writeFileSync(file, configuration(folder, port, options), { mode: 0o600 });
    const child = await startChild({
      name: 'Redis',
      command,
      args: [file],
      ready: /Ready to accept connections/,
      cleanUp,
    });
    const user = options.password ? `${options.username ?? ''}:${options.password}@` : '';
    const url = `${options.tls ? 'rediss' : 'redis'}://${user}127.0.0.1:${port}`;
    return { host: '127.0.0.1', port, url, pid: child.pid, stop: child.stop };
  } catch (error) {
    cleanUp();
    throw error;
  }
}

/** In a file, so that the password does not stand in the process list. */
function configuration(folder: string, port: number, options: RedisOptions): string {
  const lines = ['bind 127.0.0.1', `dir ${folder}`, 'save ""', 'appendonly no', 'databases 4'];
  if (options.tls) {
    writeFileSync(join(folder, 'redis.crt'), options.tls.certPem);
    writeFileSync(join(folder, 'redis.key'), options.tls.keyPem, { mode: 0o600 });
    lines.push('port 0', `tls-port ${port}`, 'tls-auth-clients no');
    lines.push(`tls-cert-file ${folder}/redis.crt`, `tls-key-file ${folder}/redis.key`);
  } else {
    lines.push(`port ${port}`);
  }
  if (options.password && options.username) {
    lines.push('user default off', `user ${options.username} on >${options.password} ~* &* +@all`);
  } else if (options.password) {
    lines.push(`requirepass ${options.password}`);
  }
  return `${lines.join('\n')}\n`;
}

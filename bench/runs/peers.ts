/** The other servers of event streams: nginx with nchan, and a bare `node:http`. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findBinary } from '../../tools/services/binaries.ts';
import { listening, startPinned } from '../lib/child.ts';

/** One server of event streams with one stream that all subscribers read. */
export interface StreamTarget {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  readonly path: string;
  /** Hands over one event; must not wait. */
  publish(): void;
  /** Collects garbage now, where that exists, so that memory is counted alike. */
  collect(): void;
  stop(): Promise<void>;
}

const NCHAN = '/usr/lib/nginx/modules/ngx_nchan_module.so';
const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));

/** Arguments of Node that let the benchmark ask for a collection. */
export const collectable = [
  '--expose-gc',
  '--import',
  here('../lib/collect-on-signal.ts'),
] as const;

/** Posts over one connection, one after the other. */
function poster(port: number, path: string, body: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const options = { port, path, agent, method: 'POST', host: '127.0.0.1' };
  return {
    publish() {
      const headers = { 'content-length': Buffer.byteLength(body) };
      const posting = request({ ...options, headers }, response => response.resume());
      posting.on('error', () => {});
      posting.end(body);
    },
    end: () => agent.destroy(),
  };
}

/** Debian's module with its defaults; null where it is not installed. */
export async function startNchan(context: {
  readonly core: number;
  readonly dir: string;
  readonly body: string;
}): Promise<StreamTarget | null> {
  if (!existsSync(NCHAN)) return null;
  const nginx = await findBinary({ names: ['nginx'], folders: ['/usr/sbin'], aptPackage: 'nginx' });
  const port = await freePort();
  const { dir, core, body } = context;
  await mkdir(dir, { recursive: true });
  const config = join(dir, 'nginx.conf');
  await writeFile(config, nchanConfig(dir, port));
  const child = startPinned([nginx, '-e', 'stderr', '-c', config], { core });
  await listening(port);
  const { publish, end } = poster(port, '/publish', body);
  return {
    name: 'nginx with nchan',
    pid: child.process.pid!,
    port,
    path: '/stream',
    publish,
    collect: () => {},
    async stop() {
      end();
      await child.stop();
    },
  };
}

function nchanConfig(dir: string, port: number): string {
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `load_module ${NCHAN};
daemon off; worker_processes 1; pid ${dir}/nginx.pid; error_log stderr;
worker_rlimit_nofile 16384;
events { worker_connections 8192; }
http {
  access_log off;
  ${temp.map(kind => `${kind}_temp_path ${dir}/${kind};`).join(' ')}
  keepalive_requests 1000000;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location = /publish { nchan_publisher http; nchan_channel_id run; }
    location = /stream {
      nchan_subscriber eventsource;
      nchan_channel_id run;
      nchan_subscriber_first_message newest;
    }
  }
}
`;
}

export async function startBare(
  name: string,
  { core, body, gatherMs }: { core: number; body: string; gatherMs: number },
): Promise<StreamTarget> {
  const command = [process.execPath, ...collectable, here('bare-sse.ts'), String(gatherMs)];
  const child = startPinned(command, { core });
  const [, port] = await child.printed(/^(\d+)$/m);
  const { publish, end } = poster(Number(port), '/', body);
  return {
    name,
    pid: child.process.pid!,
    port: Number(port),
    path: '/',
    publish,
    collect: () => void child.process.kill('SIGUSR2'),
    async stop() {
      end();
      await child.stop();
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise(resolve => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

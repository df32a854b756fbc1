/** The relays under test: how each is started in front of one upstream, and how it is reached. */
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findBinary } from '../../tools/services/binaries.ts';
import { startPostgres } from '../../tools/services/postgres.ts';
import { listening, type PinnedChild, pin, startPinned } from '../lib/child.ts';

interface TargetContext {
  readonly core: number;
  /** The load's core. */
  readonly otherCore: number;
  readonly upstreamPort: number;
  /** A folder of its own for what it writes. */
  readonly dir: string;
}

export interface Target {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Collects garbage now, where that exists, so that memory is counted alike. */
  collect(): void;
  stop(): Promise<void>;
}

export type StartTarget = (context: TargetContext) => Promise<Target>;

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));

function targetOf(name: string, child: PinnedChild, rest: Partial<Target> & { port: number }) {
  return {
    name,
    pid: child.process.pid!,
    path: '/',
    headers: {},
    collect: () => undefined,
    stop: child.stop,
    ...rest,
  };
}

/** A loopback port that is free now. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise(resolve => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Debian's defaults, but for one worker, no access log, and time-outs that let idle ones be. */
const startNginx: StartTarget = async context => {
  const nginx = await findBinary({ names: ['nginx'], folders: ['/usr/sbin'], aptPackage: 'nginx' });
  const port = await freePort();
  const { dir, core } = context;
  await mkdir(dir, { recursive: true });
  const config = join(dir, 'nginx.conf');
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  await writeFile(
    config,
    `daemon off; worker_processes 1; pid ${dir}/nginx.pid; error_log stderr;
events { worker_connections 16384; }
http {
  access_log off;
  ${temp.map(kind => `${kind}_temp_path ${dir}/${kind};`).join(' ')}
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://127.0.0.1:${context.upstreamPort};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
      proxy_read_timeout 1h;
      proxy_send_timeout 1h;
    }
  }
}
`,
  );
  const child = startPinned([nginx, '-e', 'stderr', '-c', config], { core });
  await listening(port);
  return targetOf('nginx', child, { port });
};

/** One thread; time-outs as for nginx. */
const startHaproxy: StartTarget = async context => {
  const request = { names: ['haproxy'], folders: ['/usr/sbin'], aptPackage: 'haproxy' };
  const haproxy = await findBinary(request);
  const port = await freePort();
  const { dir, core } = context;
  await mkdir(dir, { recursive: true });
  const config = join(dir, 'haproxy.cfg');
  await writeFile(
    config,
    `global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout connect 10s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
frontend relay
  bind 127.0.0.1:${port} backlog 4096
  default_backend upstream
backend upstream
  server upstream 127.0.0.1:${context.upstreamPort}
`,
  );
  const child = startPinned([haproxy, '-db', '-f', config], { core });
  await listening(port);
  return targetOf('HAProxy', child, { port });
};

/** Arguments of Node that let the benchmark ask for a collection, and nothing else. */
const collectable = ['--expose-gc', '--import', here('../lib/collect-on-signal.ts')];

function nodeTarget(name: string, script: string): StartTarget {
  return async ({ core, upstreamPort }) => {
    const command = [process.execPath, ...collectable, here(script), String(upstreamPort)];
    const child = startPinned(command, { core });
    const [, port] = await child.printed(/^(\d+)$/m);
    const collect = () => void child.process.kill('SIGUSR2');
    return targetOf(name, child, { port: Number(port), collect });
  };
}

/**
 * The server as it is deployed, with everything that a session brings: registry, log, usage,
 * metrics, traces. On PostgreSQL (on the load's core), because the embedded database would be
 * measured along with it. Only those limits are raised that many sessions would meet.
 */
const startHoldfast: StartTarget = async ({ core, otherCore, upstreamPort, dir }) => {
  const postgres = await startPostgres();
  pin(postgres.pid, otherCore);
  const env = {
    ...process.env,
    PORT: '0',
    OPENAI_BASE_URL: `http://127.0.0.1:${upstreamPort}/v1`,
    OPENAI_API_KEY: 'bench',
    DATABASE_URL: postgres.url,
    HOLDFAST_MASTER_KEY: randomBytes(32).toString('base64'),
    HOLDFAST_DATA_DIR: dir,
    HOLDFAST_MAX_ACTIVE_SESSIONS: '10000',
    HOLDFAST_RATE_LIMIT_PER_MINUTE: '1000000',
    HOLDFAST_RATE_LIMIT_BURST: '100000',
    HOLDFAST_CLIENT_BYTES_PER_SECOND: String(1024 ** 3),
    HOLDFAST_SHUTDOWN_ACCEPT: '0',
    HOLDFAST_SHUTDOWN_GRACE: '0',
  };
  const main = here('../../packages/server/src/main.ts');
  const child = startPinned([process.execPath, ...collectable, main], { core, env });
  const [, port] = await child.printed(/"port":(\d+).*"event":"listening"/);
  await listening(Number(port));
  return targetOf('Holdfast', child, {
    port: Number(port),
    path: '/v1/realtime?model=gpt-realtime',
    collect: () => void child.process.kill('SIGUSR2'),
    stop: async () => {
      await child.stop();
      await postgres.stop();
    },
  });
};

const startWsRelay = nodeTarget('ws relay', 'ws-relay.ts');
const startRelayAlone = nodeTarget('relay alone', 'holdfast-host.ts');

/** All relays by name; `relay alone` is not part of the comparison unless asked for. */
export const starters: Readonly<Record<string, StartTarget>> = {
  nginx: startNginx,
  HAProxy: startHaproxy,
  'ws relay': startWsRelay,
  Holdfast: startHoldfast,
  'relay alone': startRelayAlone,
};

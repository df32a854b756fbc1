import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import {
  ConfigError,
  crossCheck,
  hasUpstream,
  resolveSettings,
  type Variables,
} from '../../packages/server/src/config/index.ts';
import { isLoopbackHost } from '../../packages/server/src/kernel/index.ts';
import { ROOT } from './children.ts';

/** What has to be started, and with which settings besides those that people gave. */
export interface Plan {
  /** No upstream is set, so the simulated model stands in. */
  readonly simulate: boolean;
  /** Which other providers it stands in for; those that people gave a key for stay theirs. */
  readonly simulated: { readonly anthropic: boolean; readonly gemini: boolean };
  readonly buildConsole: boolean;
  /** Null: no local mode, people sign in. */
  readonly adminToken: string | null;
  /** The embedded database, which the launcher starts; null: `DATABASE_URL` names another. */
  readonly database: { readonly poolMax: number } | null;
  /** Whether the worker is a process of its own, so that agents' output holds up no call. */
  readonly worker: boolean;
  /** The time that the server and the worker may take to drain. */
  readonly drainMs: number;
  readonly dataDir: string;
  /** Where the server is reached from this machine, once its port is known. */
  readonly origin: (port: number) => string;
  /** Settings that the launcher adds; they never replace one that is set. */
  readonly added: Readonly<Record<string, string>>;
}

/** Throws `ConfigError` for every fault that the server itself would refuse to start with. */
export function planStart(environment: Variables, dotenv: Variables): Plan {
  const { values, sources, faults } = resolveSettings(environment, dotenv);
  const all = [...faults, ...crossCheck(values)];
  if (all.length > 0) throw new ConfigError(all);
  const isLocal = values.HOLDFAST_OIDC_ISSUER === undefined;
  const adminToken = isLocal
    ? (values.HOLDFAST_ADMIN_LINK_TOKEN?.reveal() ?? randomBytes(32).toString('base64url'))
    : null;
  // An open door without an upstream is a fault that the checks have already refused.
  const simulate = !hasUpstream(values) && isLoopbackHost(values.HOLDFAST_HOST);
  const added: Record<string, string> = {};
  if (simulate) added.HOLDFAST_LAUNCHER_SIMULATED = 'true';
  if (adminToken !== null) added.HOLDFAST_ADMIN_LINK_TOKEN = adminToken;
  // A server that a person starts has no load balancer in front, so it need not wait for one.
  const isPerson = process.stdout.isTTY;
  if (isPerson && sources.HOLDFAST_SHUTDOWN_ACCEPT === 'default') {
    added.HOLDFAST_SHUTDOWN_ACCEPT = '0';
  }
  if (isPerson && sources.LOG_FORMAT === 'default') added.LOG_FORMAT = 'text';
  return {
    simulate,
    simulated: {
      anthropic: simulate && values.ANTHROPIC_API_KEY === undefined,
      gemini: simulate && values.GEMINI_API_KEY === undefined,
    },
    buildConsole: values.HOLDFAST_CONSOLE_DIR === undefined,
    adminToken,
    database:
      values.DATABASE_URL === undefined
        ? { poolMax: values.DATABASE_POOL_SIZE + values.DATABASE_MAX_OVERFLOW }
        : null,
    // Roles that people chose are those of one process, as they would be without a launcher.
    worker: sources.HOLDFAST_ROLES === 'default',
    drainMs:
      (Number(added.HOLDFAST_SHUTDOWN_ACCEPT ?? values.HOLDFAST_SHUTDOWN_ACCEPT) +
        values.HOLDFAST_SHUTDOWN_GRACE) *
      1_000,
    // As the server takes it, which works in that folder.
    dataDir: resolve(ROOT, values.HOLDFAST_DATA_DIR),
    origin: originOf(values.HOLDFAST_HOST, values.HOLDFAST_TLS_CERT !== undefined),
    added,
  };
}

/** Browsers give microphone and clipboard to `localhost` as they do to https. */
function originOf(host: string, tls: boolean): (port: number) => string {
  const everywhere = isLoopbackHost(host) || host === '0.0.0.0' || host === '::';
  const name = everywhere ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return port => `${tls ? 'https' : 'http'}://${name}:${port}`;
}

/** The settings that make the simulator the server's upstream: the same as for any other. */
export function simulatedUpstream(
  url: string,
  { anthropic, gemini }: Plan['simulated'] = { anthropic: true, gemini: true },
): Record<string, string> {
  const key = 'simulated';
  return {
    OPENAI_BASE_URL: `${url}/v1`,
    OPENAI_API_KEY: key,
    ...(anthropic && { ANTHROPIC_BASE_URL: url, ANTHROPIC_API_KEY: key }),
    ...(gemini && { GOOGLE_GEMINI_BASE_URL: url, GEMINI_API_KEY: key }),
  };
}

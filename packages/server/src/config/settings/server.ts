import {
  choices,
  flag,
  httpUrl,
  integer,
  networks,
  origins,
  port,
  secret,
  text,
} from '../kinds.ts';
import { optional, setting } from '../setting.ts';

export const ROLE_NAMES = ['gateway', 'api', 'worker'] as const;

/** Where the server listens, which parts of it run, and how it stops. */
export const serverSettings = {
  HOLDFAST_HOST: setting(text, '127.0.0.1', {
    description:
      'Address to listen on. Other than loopback it needs an identity provider and an upstream.',
  }),
  PORT: setting(port, '8080', { description: 'Port to listen on; 0 takes a free one.' }),
  HOLDFAST_PUBLIC_URL: optional(httpUrl, {
    description:
      'Address under which browsers reach the server, for links and sign-in. Default: the ' +
      'listening address.',
    example: 'https://holdfast.example.com',
  }),
  HOLDFAST_DATA_DIR: setting(text, './data', {
    description: 'Folder of the embedded database, of files and of generated keys.',
  }),
  HOLDFAST_ROLES: setting(choices(ROLE_NAMES), 'gateway,api,worker', {
    description: 'Parts of the server that run in this process. Fewer than all need DATABASE_URL.',
  }),
  HOLDFAST_CORS_ORIGINS: setting(origins, '', {
    description: 'Other web origins whose pages may call the API, with credentials.',
    example: 'http://localhost:3000',
  }),
  HOLDFAST_TRUSTED_PROXIES: setting(networks, '', {
    description:
      'Proxies in front of the server, as addresses or ranges, whose `X-Forwarded-…` is trusted.',
    example: '10.0.0.0/16',
  }),
  HOLDFAST_TLS_CERT: optional(text, {
    description: 'File with the certificate chain (PEM). Together with HOLDFAST_TLS_KEY: https.',
    example: './tls/cert.pem',
  }),
  HOLDFAST_TLS_KEY: optional(text, {
    description: 'File with the private key (PEM).',
    example: './tls/key.pem',
  }),
  HOLDFAST_CONSOLE_DIR: optional(text, {
    description: 'Folder of the built console. Default: `packages/console/dist`.',
  }),
  HOLDFAST_NOTICE: optional(text, {
    description: 'A notice that the console shows to every user.',
    example: 'Maintenance on Sunday from 08:00 to 09:00 UTC.',
  }),
  HOLDFAST_SHUTDOWN_ACCEPT: setting(integer(0, 60), '5', {
    description:
      'Seconds for which new work is still accepted after SIGTERM, until load balancers notice.',
  }),
  HOLDFAST_SHUTDOWN_GRACE: setting(integer(0, 3600), '15', {
    description:
      'Seconds that running sessions may take to finish after that, before they are closed.',
  }),
  HOLDFAST_SHUTDOWN_CLOSING: setting(integer(2, 120), '9', {
    description:
      'Seconds for closing what is left after that: handshakes, last writes, telemetry. The ' +
      'three together must be less than the grace period of whatever sends SIGTERM, often 30 s.',
  }),
  CONTAINER_APP_REVISION: setting(text, 'local', {
    description: 'Name of the deployed revision; Azure Container Apps sets it.',
  }),
};

/**
 * What `npm start` hands to the server processes that it starts. People set none of these, so they
 * stand neither in the reference page nor in the sample file.
 */
export const launcherSettings = {
  HOLDFAST_LAUNCHER_DATABASE_URL: optional(secret(), {
    description: 'The embedded database, which the launcher has started and stops last.',
  }),
  HOLDFAST_LAUNCHER_WORKER_SOCKET: optional(text, {
    description:
      'Unix socket of health and metrics: the worker serves them there, the server asks there.',
  }),
  HOLDFAST_LAUNCHER_STDIN: setting(flag, 'false', {
    description: 'Drain when standard input ends, which it does when the launcher is gone.',
  }),
  HOLDFAST_LAUNCHER_SIMULATED: setting(flag, 'false', {
    description: 'The upstream is the simulator; the console shows this in its own words.',
  }),
};

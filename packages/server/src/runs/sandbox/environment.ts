import { dirname } from 'node:path';
import { NODE_INSIDE } from '../../platform/isolation/index.ts';
import { HOME_DIR, PROXY_PORT, type SandboxCommand } from './sandbox.ts';

const PATH_INSIDE = `${dirname(NODE_INSIDE)}:/usr/local/bin:/usr/bin:/bin`;

/** Commits need a name. The address is reserved, so that no mail ever goes there (RFC 2606). */
const GIT_CONFIG = {
  'safe.directory': '*',
  'user.name': 'Holdfast agent',
  'user.email': 'agent@holdfast.invalid',
  'gc.auto': '0',
} as const;

/**
 * The whole environment of a command: a fixed list and, on top, the command's own variables.
 * Nothing of the server's environment is in it.
 */
export function isolatedEnvironment(command: SandboxCommand): Record<string, string> {
  return {
    ...common(),
    HOME: HOME_DIR,
    PATH: PATH_INSIDE,
    TMPDIR: '/tmp',
    ...(command.mounts.proxySocket === null ? {} : proxy()),
    ...command.env,
  };
}

/** The same without isolation: the server's PATH, and folders of the host. */
export function openEnvironment(command: SandboxCommand): Record<string, string> {
  const path = process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin';
  return {
    ...common(),
    HOME: command.mounts.home,
    PATH: `${dirname(process.execPath)}:${path}`,
    ...command.env,
  };
}

function common(): Record<string, string> {
  const git = Object.entries(GIT_CONFIG).flatMap(([key, value], index) => [
    [`GIT_CONFIG_KEY_${index}`, key],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ]);
  return {
    USER: 'agent',
    LOGNAME: 'agent',
    SHELL: '/bin/sh',
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_COUNT: String(Object.keys(GIT_CONFIG).length),
    ...Object.fromEntries(git),
  };
}

function proxy(): Record<string, string> {
  const address = `http://127.0.0.1:${PROXY_PORT}`;
  const direct = '127.0.0.1,localhost';
  return {
    HTTP_PROXY: address,
    HTTPS_PROXY: address,
    http_proxy: address,
    https_proxy: address,
    NO_PROXY: direct,
    no_proxy: direct,
    NODE_USE_ENV_PROXY: '1',
  };
}

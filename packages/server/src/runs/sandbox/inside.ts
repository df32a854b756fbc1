import { chownSync, lstatSync } from 'node:fs';
import { isAbsolute, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ControlGroups, NODE_INSIDE } from '../../platform/isolation/index.ts';
import type { BridgeOrder } from './bridged-process.ts';
import { isolatedEnvironment } from './environment.ts';
import {
  GATEWAY_PORT,
  HOME_DIR,
  PROXY_PORT,
  type SandboxCommand,
  type SandboxMounts,
  type SandboxOwner,
  WORKSPACE_DIR,
} from './sandbox.ts';
import { type IdRange, isInRange } from './user-ids.ts';

/** What is inside of a sandbox, whichever program isolates it. */

export const GATEWAY_SOCKET_INSIDE = '/run/holdfast/gateway.sock';
export const PROXY_SOCKET_INSIDE = '/run/holdfast/proxy.sock';
export const BRIDGE_INSIDE = '/opt/holdfast/bridge.mjs';
export const BRIDGE = fileURLToPath(new URL('./bridge.mjs', import.meta.url));
/** The first program inside. */
export const BRIDGE_COMMAND = [NODE_INSIDE, BRIDGE_INSIDE] as const;

/**
 * The parts of `/etc` that programs need. Names come from generated files, and there is no
 * `resolv.conf`: no process inside can ask a name server.
 */
export const SYSTEM_FILES = [
  '/etc/alternatives',
  '/etc/ca-certificates',
  '/etc/ld.so.cache',
  '/etc/ld.so.conf',
  '/etc/ld.so.conf.d',
  '/etc/localtime',
  '/etc/mime.types',
  '/etc/pki/tls/certs',
  '/etc/pki/ca-trust/extracted',
  '/etc/ssl/certs',
  '/etc/ssl/openssl.cnf',
] as const;
/** Files of `/etc` that the server writes for all commands. */
export const WRITTEN_FILES = ['hosts', 'nsswitch.conf'] as const;

/** Of a command, beside the hundred of the server. */
export const CPU_WEIGHT = 25;

/** Limits on what is inside. */
export interface ResourceLimits {
  /**
   * Processes and threads of the user inside. Counted for each command alone where it has a user
   * namespace; where the server is root, for all commands of a run together.
   */
  readonly processesMax: number;
  /** Open files of one process. */
  readonly openFilesMax: number;
  /** One file. */
  readonly fileMaxBytes: number;
  /** All processes of a command together, where the machine has control groups for us. */
  readonly memoryMaxBytes: number;
}

/** What every way to isolate needs to know. */
export interface IsolationSettings {
  /** Set where we are root: processes inside are one of these users instead. */
  readonly ids: IdRange | undefined;
  readonly tmpMaxBytes: number;
  readonly resources: ResourceLimits;
  /** Undefined: the machine lets us make none, or they are not wanted. */
  readonly groups: ControlGroups | undefined;
  /** Whether everything inside runs only when nothing else wants to. */
  readonly background: boolean;
  /** A folder with `WRITTEN_FILES`, and what `proc.ts` needs. */
  readonly etcDir: string;
  /** Readable inside at the same path, for every command. */
  readonly readOnly: readonly string[];
}

/** Names of accounts inside, as `/etc/passwd` and `/etc/group` have them. */
export function accounts({ uid, gid }: SandboxOwner): { passwd: string; group: string } {
  return {
    passwd: `agent:x:${uid}:${gid}:agent:${HOME_DIR}:/bin/sh\n`,
    group: `agent:x:${gid}:\n`,
  };
}

/** What the bridge starts, and the ports that it leads to the mounted sockets. */
export function bridgeOrder(command: SandboxCommand): BridgeOrder {
  const { gatewaySocket, proxySocket } = command.mounts;
  return {
    // The server's Node has a fixed path inside.
    command: command.command.map((word, index) =>
      index === 0 && word === process.execPath ? NODE_INSIDE : word,
    ),
    env: isolatedEnvironment(command),
    cwd: WORKSPACE_DIR,
    ports: [
      ...(gatewaySocket === null ? [] : [{ port: GATEWAY_PORT, socket: GATEWAY_SOCKET_INSIDE }]),
      ...(proxySocket === null ? [] : [{ port: PROXY_PORT, socket: PROXY_SOCKET_INSIDE }]),
    ],
  };
}

/** Where a command finds its folders and the model gateway. */
export function pathsInside(mounts: SandboxMounts) {
  return {
    workspace: WORKSPACE_DIR,
    home: HOME_DIR,
    gatewayUrl: mounts.gatewaySocket === null ? null : `http://127.0.0.1:${GATEWAY_PORT}`,
  };
}

/**
 * Who the processes of a command are: who owns the run's files, and so what `ownerOf` answered when
 * these were made. The run's sockets become that user's. Undefined where the server is not root.
 */
export function commandOwner(
  mounts: SandboxMounts,
  ids: IdRange | undefined,
): SandboxOwner | undefined {
  if (ids === undefined) return undefined;
  const { workspace, gatewaySocket, proxySocket } = mounts;
  const { uid, gid } = lstatSync(workspace);
  if (!isInRange(uid, ids) || !isInRange(gid, ids)) {
    throw new Error(`${workspace} belongs to ${uid}:${gid}, which is no user of a run`);
  }
  for (const socket of [gatewaySocket, proxySocket]) {
    // Connecting needs the right to write the socket; its folder keeps other users out.
    if (socket !== null) chownSync(socket, uid, -1);
  }
  return { uid, gid };
}

/** Throws where a host path cannot be shown inside at the same path. */
export function checkReadOnlyPath(path: string): void {
  if (!isAbsolute(path) || normalize(path) !== path || path === '/') {
    throw new Error(`not an absolute path that can be mounted: ${path}`);
  }
  if ([WORKSPACE_DIR, HOME_DIR].some(folder => `${path}/`.startsWith(`${folder}/`))) {
    throw new Error(`${path} cannot be shown inside: another folder stands there`);
  }
}

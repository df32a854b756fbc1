import { type ChildProcess, spawn } from 'node:child_process';
import { chownSync, lstatSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { NODE_INSIDE } from '../../platform/isolation/index.ts';
import type { BridgeOrder, BridgeReport } from './bridge.ts';
import {
  ARGUMENTS_FD,
  type BubblewrapSettings,
  bubblewrapArguments,
  bubblewrapCommand,
  GATEWAY_SOCKET_INSIDE,
  GROUP_FD,
  PASSWD_FD,
  PROXY_SOCKET_INSIDE,
  SECCOMP_FD,
} from './bubblewrap.ts';
import { isolatedEnvironment } from './environment.ts';
import { GroupProcess } from './group-process.ts';
import {
  GATEWAY_PORT,
  HOME_DIR,
  PROXY_PORT,
  type Sandbox,
  type SandboxCommand,
  type SandboxedProcess,
  type SandboxOwner,
  WORKSPACE_DIR,
} from './sandbox.ts';
import { type IdRange, isInRange, ownerOf } from './user-ids.ts';

const CONTROL_FD = 3;
const REPORT_MAX_CHARS = 100;

/** Processes in bubblewrap, each with the bridge as its first program. */
export function createIsolatedSandbox(settings: BubblewrapSettings): Sandbox {
  return {
    isolated: true,
    note: null,
    ownerOf: runId => settings.ids && ownerOf(runId, settings.ids),
    paths: mounts => ({
      workspace: WORKSPACE_DIR,
      home: HOME_DIR,
      gatewayUrl: mounts.gatewaySocket === null ? null : `http://127.0.0.1:${GATEWAY_PORT}`,
    }),
    spawn: command => spawnIsolated(settings, command),
    close: async () => {},
  };
}

function spawnIsolated(settings: BubblewrapSettings, command: SandboxCommand): SandboxedProcess {
  const { mounts } = command;
  const owner = settings.ids && workspaceOwner(mounts.workspace, settings.ids);
  for (const socket of [mounts.gatewaySocket, mounts.proxySocket]) {
    // Connecting needs the right to write the socket; its folder keeps other users out.
    if (socket !== null && owner) chownSync(socket, owner.uid, -1);
  }
  // Other processes of the same user can read an environment in /proc: bubblewrap gets none.
  const setup = bubblewrapArguments(settings, mounts);
  const group = settings.groups?.create(settings.resources);
  const child = spawn(settings.bwrap, bubblewrapCommand(settings, owner), {
    argv0: 'bwrap',
    env: {},
    cwd: '/',
    detached: true,
    stdio: Array(8).fill('pipe'),
  });
  // Bubblewrap starts nothing before it has read what follows.
  try {
    if (child.pid !== undefined) group?.add(child.pid);
  } catch (error) {
    child.on('error', () => {}).kill('SIGKILL');
    void group?.remove();
    throw error;
  }
  write(child, ARGUMENTS_FD, setup);
  write(child, SECCOMP_FD, settings.seccomp);
  const { uid, gid } = owner ?? { uid: process.getuid!(), gid: process.getgid!() };
  write(child, PASSWD_FD, `agent:x:${uid}:${gid}:agent:${HOME_DIR}:/bin/sh\n`);
  write(child, GROUP_FD, `agent:x:${gid}:\n`);
  const control = child.stdio[CONTROL_FD] as Duplex;
  const ports: { port: number; socket: string }[] = [];
  if (mounts.gatewaySocket !== null) {
    ports.push({ port: GATEWAY_PORT, socket: GATEWAY_SOCKET_INSIDE });
  }
  if (mounts.proxySocket !== null) ports.push({ port: PROXY_PORT, socket: PROXY_SOCKET_INSIDE });
  const order: BridgeOrder = {
    // The server's Node has a fixed path inside.
    command: command.command.map((word, index) =>
      index === 0 && word === process.execPath ? NODE_INSIDE : word,
    ),
    env: isolatedEnvironment(command),
    cwd: WORKSPACE_DIR,
    ports,
  };
  control.on('error', () => {});
  control.write(`${JSON.stringify(order)}\n`);
  return new GroupProcess(child, {
    group,
    report: reportOf(child, control),
    signal: signal => {
      // Killing bubblewrap ends its pid namespace, and with it every process inside.
      if (signal === 'SIGKILL') return false;
      control.write(`${JSON.stringify({ signal })}\n`);
      return true;
    },
  });
}

/** Processes are who owns the run's files, and so what `ownerOf` answered when these were made. */
function workspaceOwner(workspace: string, ids: IdRange): SandboxOwner {
  const { uid, gid } = lstatSync(workspace);
  if (isInRange(uid, ids) && isInRange(gid, ids)) return { uid, gid };
  throw new Error(`${workspace} belongs to ${uid}:${gid}, which is no user of a run`);
}

/** A bubblewrap that ends before it has read everything reports why by itself. */
function write(child: ChildProcess, fd: number, content: string | Buffer): void {
  const stream = child.stdio[fd] as Duplex;
  stream.on('error', () => {});
  stream.end(content);
}

/** How the command ended, as the bridge reports; undefined when it was killed before. */
async function reportOf(child: ChildProcess, control: Duplex): Promise<BridgeReport | undefined> {
  const { promise, resolve } = Promise.withResolvers<BridgeReport | undefined>();
  let text = '';
  control.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(0, REPORT_MAX_CHARS);
    if (text.includes('\n')) resolve(parseReport(text));
  });
  child.once('close', () => resolve(undefined));
  child.once('error', () => resolve(undefined));
  return promise;
}

function parseReport(text: string): BridgeReport | undefined {
  const match = /^\{"code":(null|\d{1,3}),"signal":(?:null|"(SIG[A-Z0-9]{1,10})")\}\n/.exec(text);
  if (!match) return undefined;
  const code = match[1] === 'null' ? null : Number(match[1]);
  return { code, signal: (match[2] as NodeJS.Signals | undefined) ?? null };
}

import { spawn } from 'node:child_process';
import { chownSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findOnPath, ownControlGroups } from '../../platform/isolation/index.ts';
import { createBubblewrapSandbox } from './bubblewrap-sandbox.ts';
import { openEnvironment } from './environment.ts';
import { GroupProcess } from './group-process.ts';
import { makeRoot } from './gvisor.ts';
import { createGvisorSandbox } from './gvisor-sandbox.ts';
import type { IsolationSettings } from './inside.ts';
import { EMPTY_FILE, EMPTY_FOLDER } from './proc.ts';
import type { Sandbox } from './sandbox.ts';
import { seccompFilter } from './seccomp.ts';
import { findIdRange } from './user-ids.ts';

/** Limits where the options name no others. */
export const SANDBOX_DEFAULTS = {
  /** The size of `/tmp` and of `/dev/shm` inside, each. They are memory. */
  tmpMaxBytes: 1024 ** 3,
  processesMax: 4_096,
  openFilesMax: 65_536,
  fileMaxBytes: 10 * 1024 ** 3,
};
const PROBE_TIMEOUT_MS = 15_000;
const PROBE_OUTPUT_MAX_CHARS = 500;

/** Programs that can isolate. */
type SandboxRuntime = 'bubblewrap' | 'gvisor';

export interface SandboxOptions {
  /** Default: bubblewrap. Where it does not work, no other takes its place. */
  readonly runtime?: SandboxRuntime;
  /** A folder of the server's for the sandbox's own files. Made when absent. */
  readonly dir: string;
  /** Host paths that every command may read, besides those of its mounts. */
  readonly readOnly?: readonly string[];
  readonly tmpMaxBytes?: number;
  /** The size of one file that is written inside. */
  readonly fileMaxBytes?: number;
  /** Processes and threads of one run. */
  readonly processesMax?: number;
  /** Open files of one process. */
  readonly openFilesMax?: number;
  /** Memory of all processes of a command. Left out: no control groups. */
  readonly memoryMaxBytes?: number;
  /** Whether everything inside runs only when nothing else wants to. */
  readonly background?: boolean;
  /** The bubblewrap to use; default: the first `bwrap` on the PATH. */
  readonly bwrap?: string;
  /** The gVisor to use; default: the first `runsc` on the PATH. */
  readonly runsc?: string;
}

/** A sandbox that worked when it was tried, or why there is none. */
type Tried = { readonly sandbox: Sandbox } | { readonly why: string };

/**
 * A sandbox that isolates where the runtime works here; otherwise one that does not, with a `note`
 * for operators: for bubblewrap, commands run without isolation; for gVisor, which is only used
 * where it is demanded, none is started. Never throws for lack of isolation.
 */
export async function createSandbox(options: SandboxOptions): Promise<Sandbox> {
  const isGvisor = options.runtime === 'gvisor';
  const tried = await (isGvisor ? tryGvisor : tryBubblewrap)(options);
  if ('sandbox' in tried) return tried.sandbox;
  if (isGvisor)
    return createNoSandbox(`No run is started: gVisor does not work here: ${tried.why}`);
  return createOpenSandbox(
    'Not isolated: agents run as the user of this server, and can read and change whatever that ' +
      'user can, secrets included, and reach its network. To isolate them, run the server on ' +
      'Linux with bubblewrap (apt-get install bubblewrap) and user namespaces. What failed: ' +
      tried.why,
  );
}

function createNoSandbox(note: string): Sandbox {
  return {
    ...createOpenSandbox(note),
    spawn: () => {
      throw new Error(note);
    },
  };
}

/**
 * No isolation: processes run as the server's own user, on the host's paths and network. The
 * environment is still an allowlist, and the process group still ends as a whole.
 */
function createOpenSandbox(note: string): Sandbox {
  return {
    isolated: false,
    note,
    ownerOf: () => undefined,
    paths: mounts => ({ workspace: mounts.workspace, home: mounts.home, gatewayUrl: null }),
    spawn(command) {
      const [program = '', ...args] = command.command;
      const child = spawn(program, args, {
        env: openEnvironment(command),
        cwd: command.mounts.workspace,
        detached: true,
        stdio: 'pipe',
      });
      return new GroupProcess(child);
    },
    close: async () => {},
  };
}

async function tryBubblewrap(options: SandboxOptions): Promise<Tried> {
  if (process.platform !== 'linux') return { why: 'it needs Linux' };
  const bwrap = options.bwrap ?? findOnPath('bwrap');
  if (bwrap === undefined) return { why: 'bubblewrap (bwrap) is not installed' };
  const seccomp = seccompFilter(process.arch);
  if (seccomp === undefined) return { why: `it has no filter of system calls for ${process.arch}` };
  return tryOut(options, settings => createBubblewrapSandbox({ ...settings, bwrap, seccomp }));
}

async function tryGvisor(options: SandboxOptions): Promise<Tried> {
  if (process.platform !== 'linux') return { why: 'it needs Linux' };
  const runsc = options.runsc ?? findOnPath('runsc');
  if (runsc === undefined) return { why: 'gVisor (runsc) is not installed' };
  const rootDir = join(options.dir, 'root');
  return tryOut(options, settings => {
    makeRoot(rootDir);
    return createGvisorSandbox({ ...settings, runsc, rootDir });
  });
}

/** Runs `true` inside, with exactly the flags and the bridge that commands will have. */
async function tryOut(
  options: SandboxOptions,
  create: (settings: IsolationSettings) => Sandbox,
): Promise<Tried> {
  const ids = process.getuid?.() === 0 ? findIdRange(...idMaps()) : undefined;
  if (process.getuid?.() === 0 && ids === undefined) {
    return { why: `root has no users to give to runs here: ${idMaps().join()}` };
  }
  const sandbox = create({
    ids,
    tmpMaxBytes: options.tmpMaxBytes ?? SANDBOX_DEFAULTS.tmpMaxBytes,
    resources: {
      processesMax: options.processesMax ?? SANDBOX_DEFAULTS.processesMax,
      openFilesMax: options.openFilesMax ?? SANDBOX_DEFAULTS.openFilesMax,
      fileMaxBytes: options.fileMaxBytes ?? SANDBOX_DEFAULTS.fileMaxBytes,
      memoryMaxBytes: options.memoryMaxBytes ?? Number.POSITIVE_INFINITY,
    },
    groups: options.memoryMaxBytes === undefined ? undefined : ownControlGroups(),
    background: options.background ?? false,
    etcDir: await writeSystemFiles(options.dir),
    readOnly: options.readOnly ?? [],
  });
  const why = await faultOf(sandbox, options.dir);
  return why === undefined ? { sandbox } : { why };
}

async function faultOf(sandbox: Sandbox, dir: string): Promise<string | undefined> {
  const folder = await mkdtemp(join(dir, 'probe-'));
  try {
    const owner = sandbox.ownerOf('probe');
    const [workspace, home] = [join(folder, 'workspace'), join(folder, 'home')];
    for (const path of [workspace, home]) {
      await mkdir(path, { mode: 0o700 });
      if (owner) chownSync(path, owner.uid, owner.gid);
    }
    const mounts = { workspace, home, readOnly: [], gatewaySocket: null, proxySocket: null };
    const child = sandbox.spawn({ command: ['true'], env: {}, mounts });
    const timer = setTimeout(() => child.kill('SIGKILL'), PROBE_TIMEOUT_MS);
    let output = '';
    child.stdout.resume();
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(0, PROBE_OUTPUT_MAX_CHARS);
    });
    const { code, signal } = await child.exited;
    clearTimeout(timer);
    return code === 0 ? undefined : output.trim() || `it ended with ${signal ?? code}`;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Names of addresses inside, instead of the host's, and what stands for parts of `/proc`. */
async function writeSystemFiles(dir: string): Promise<string> {
  const folder = join(dir, 'etc');
  const files = {
    hosts: '127.0.0.1 localhost holdfast\n',
    'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files\n',
    [EMPTY_FILE]: '',
  };
  await mkdir(join(folder, EMPTY_FOLDER), { recursive: true, mode: 0o755 });
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(folder, name), text, { mode: 0o644 });
  }
  return folder;
}

function idMaps(): [uidMap: string, gidMap: string] {
  return [readFileSync('/proc/self/uid_map', 'utf8'), readFileSync('/proc/self/gid_map', 'utf8')];
}

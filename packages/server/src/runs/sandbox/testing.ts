import { chownSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { findBubblewrap, findGvisor } from '../../../../../tools/services/binaries.ts';
import { removeTree } from '../workspace/disk.ts';
import { createSandbox, type SandboxOptions } from './create.ts';
import type { Sandbox, SandboxMounts } from './sandbox.ts';

/** A folder that the test's end removes. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-sandbox-'));
  onTestFinished(() => removeTree(folder));
  return folder;
}

const NOBODY = 65_534;
const ROOT = fileURLToPath(new URL('../../../../../', import.meta.url));

/** How to run Node as an ordinary user. */
interface OrdinaryUser {
  /** Where that user sees a file of this repository. */
  path(file: string): string;
  /** The command line of Node with `args`. */
  node(args: readonly string[]): string[];
}

/**
 * A server that is an ordinary user isolates in another way than root, by a user namespace. Where
 * root runs the tests, this is how they get such a user, who owns `folder` then; else it is
 * whoever runs them.
 */
export function asOrdinaryUser(folder: string): OrdinaryUser {
  if (process.getuid?.() !== 0) {
    return { path: file => file, node: args => [process.execPath, ...args] };
  }
  chownSync(folder, NOBODY, NOBODY);
  // Root's folders may be closed to others, who then see the repository through a mount.
  const seenRoot = join(folder, 'repository/');
  const path = (file: string) =>
    file.startsWith(ROOT) ? seenRoot + file.slice(ROOT.length) : file;
  const mounted = 'mkdir "$2" && mount --bind "$1" "$2" && shift 2 && exec "$@"';
  const command = [
    ...['unshare', '--mount', 'sh', '-c', mounted, 'sh', ROOT, seenRoot],
    ...['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--'],
    path(process.execPath),
  ];
  return { path, node: args => [...command, ...args] };
}

/** A sandbox that isolates. Where isolation is impossible the test fails: nothing is skipped. */
export async function isolatedSandbox(
  folder: string,
  options: Partial<SandboxOptions> = {},
): Promise<Sandbox> {
  const program =
    options.runtime === 'gvisor'
      ? { runsc: await findGvisor() }
      : { bwrap: await findBubblewrap() };
  const sandbox = await createSandbox({ dir: join(folder, 'sandbox'), ...program, ...options });
  if (!sandbox.isolated) throw new Error(`no isolation on this machine: ${sandbox.note}`);
  return sandbox;
}

let shared: Promise<Sandbox> | undefined;

/** The same for all tests of a file that need nothing else: to try one out takes its time. */
export function sharedSandbox(): Promise<Sandbox> {
  shared ??= openShared();
  return shared;
}

async function openShared(): Promise<Sandbox> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-sandbox-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return isolatedSandbox(folder);
}

/** Clone and home for one run, owned by the user inside. */
export async function mountsFor(sandbox: Sandbox, folder: string): Promise<SandboxMounts> {
  const [workspace, home] = [join(folder, 'workspace'), join(folder, 'home')];
  const owner = sandbox.ownerOf(folder);
  for (const path of [workspace, home]) {
    await mkdir(path, { mode: 0o700 });
    if (owner) chownSync(path, owner.uid, owner.gid);
  }
  return { workspace, home, readOnly: [], gatewaySocket: null, proxySocket: null };
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a shell script inside to its end. */
export async function sh(
  sandbox: Sandbox,
  mounts: SandboxMounts,
  script: string,
  env: Record<string, string> = {},
): Promise<Ended> {
  const child = sandbox.spawn({ command: ['sh', '-c', script], env, mounts });
  child.stdin.end();
  const [stdout, stderr, ending] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    child.exited,
  ]);
  return { ...ending, stdout, stderr };
}

import { chownSync } from 'node:fs';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { findBubblewrap } from '../../../../../tools/services/binaries.ts';
import { removeTree } from '../workspace/disk.ts';
import { createSandbox, type SandboxOptions } from './create.ts';
import type { Sandbox, SandboxMounts } from './sandbox.ts';

/** A folder that the test's end removes. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-sandbox-'));
  onTestFinished(() => removeTree(folder));
  return folder;
}

/** A sandbox that isolates. Where isolation is impossible the test fails: nothing is skipped. */
export async function isolatedSandbox(
  folder: string,
  options: Partial<SandboxOptions> = {},
): Promise<Sandbox> {
  const bwrap = await findBubblewrap();
  const sandbox = await createSandbox({ dir: join(folder, 'sandbox'), bwrap, ...options });
  if (!sandbox.isolated) throw new Error(`no isolation on this machine: ${sandbox.note}`);
  return sandbox;
}

/** Clone and home for one run, owned by the user inside. */
export async function mountsFor(sandbox: Sandbox, folder: string): Promise<SandboxMounts> {
  const [workspace, home] = [join(folder, 'workspace'), join(folder, 'home')];
  for (const path of [workspace, home]) {
    await mkdir(path, { mode: 0o700 });
    if (sandbox.owner) chownSync(path, sandbox.owner.uid, sandbox.owner.gid);
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

/** The server's source: as it is, or a copy with something broken on purpose. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ControlName } from './arguments.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CONTROLS_DIR = fileURLToPath(new URL('controls', import.meta.url));
const SERVER = 'packages/server';
/** In the checkout, so that packages are found as ever; git does not see it. */
const COPIES_DIR = join(ROOT, '.cache');

export interface Source {
  /** The folder of the server's package. */
  readonly server: string;
  remove(): void;
}

export function openSource(control: ControlName | undefined): Source {
  if (control === undefined) return { server: join(ROOT, SERVER), remove: () => undefined };
  const copy = copySource();
  try {
    applyPatch(copy.root, control);
  } catch (error) {
    copy.remove();
    throw error;
  }
  return { server: join(copy.root, SERVER), remove: copy.remove };
}

/** Throws when the patch does not apply exactly. */
export function applyPatch(root: string, control: ControlName): void {
  const patch = join(CONTROLS_DIR, `${control}.patch`);
  // Outside of any repository, or git would leave out what is not in it.
  const env = { ...process.env, GIT_CEILING_DIRECTORIES: COPIES_DIR };
  const { status, stderr } = spawnSync('git', ['apply', patch], {
    cwd: root,
    env,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`the control ${control} does not apply any more:\n${stderr}`);
}

/** The server is copied; packages it uses are linked. */
export function copySource(): { readonly root: string; remove(): void } {
  mkdirSync(COPIES_DIR, { recursive: true });
  const root = mkdtempSync(join(COPIES_DIR, 'control-'));
  mkdirSync(join(root, 'packages'));
  for (const name of readdirSync(join(ROOT, 'packages'))) {
    const from = join(ROOT, 'packages', name);
    const to = join(root, 'packages', name);
    if (name === 'server') cpSync(from, to, { recursive: true, verbatimSymlinks: true });
    else symlinkSync(from, to);
  }
  const remove = () => rmSync(root, { recursive: true, force: true });
  return { root, remove };
}

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Stands where the built console would, so that its routes have something to serve. */
export interface Site {
  readonly folder: string;
  /** A folder with a git repository, which is not served. */
  readonly repository: string;
  remove(): Promise<void>;
}

const FILES = [
  ...['index.html', 'assets/index.js', 'favicon.svg', 'favicon.ico', 'robots.txt'],
  'manifest.webmanifest',
];

export async function makeSite(): Promise<Site> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-site-'));
  await mkdir(join(folder, 'assets'));
  for (const name of FILES) await writeFile(join(folder, name), name);
  const repository = await makeRepository();
  const remove = async () => {
    for (const made of [folder, repository]) await rm(made, { recursive: true, force: true });
  };
  return { folder, repository, remove };
}

async function makeRepository(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-repository-'));
  const git = (...args: string[]) => promisify(execFile)('git', ['-C', folder, ...args]);
  await git('init', '--quiet', '--initial-branch=main');
  const author = ['-c', 'user.name=Ann', '-c', 'user.email=ann@localhost'];
  await git(...author, 'commit', '--quiet', '--allow-empty', '--message=Begin');
  return folder;
}

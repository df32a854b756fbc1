import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Stands where the built console would, so that its routes have something to serve. */
export interface Site {
  readonly folder: string;
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
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generatePages } from './docs/pages.ts';

/**
 * `npm run docs` writes `.env.example` and `docs/reference/` from the code that they describe, and
 * `realtime/client-events.json` from the typings of stock clients; `npm run docs -- --check` writes
 * nothing and fails when one of them is not up to date.
 */
const ROOT = fileURLToPath(new URL('..', import.meta.url));

async function main(args: readonly string[]): Promise<number> {
  const unknown = args.filter(arg => arg !== '--check');
  if (unknown.length > 0) {
    console.error(`docs: unknown argument ${unknown.join(' ')} (there is only --check)`);
    return 2;
  }
  const stale: string[] = [];
  for (const [path, text] of await generatePages()) {
    const file = join(ROOT, path);
    if ((await readFile(file, 'utf8').catch(() => undefined)) !== text) stale.push(path);
    if (args.includes('--check')) continue;
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  if (!args.includes('--check')) {
    console.log(stale.length > 0 ? `docs: wrote ${stale.join(', ')}` : 'docs: up to date');
    return 0;
  }
  if (stale.length === 0) return 0;
  console.error(`docs: out of date: ${stale.join(', ')} (npm run docs)`);
  return 1;
}

process.exitCode = await main(process.argv.slice(2));

// @ts-check
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

/**
 * `npm start`: the server, with what it needs around it. Without an upstream in the settings it
 * gets the simulated model; without fresh pages the console is built. Exit code: the server's.
 *
 * This file is JavaScript, and the first start has another process compile the rest: Node keeps
 * what it needs to strip types, some 25 MB, for as long as a process runs that has used it.
 */
const CACHE_DIR = fileURLToPath(new URL('../node_modules/.cache/launcher', import.meta.url));
const COMPILE_ONLY = '--compile-only';

if (process.argv.includes(COMPILE_ONLY)) {
  enableCompileCache(CACHE_DIR);
  await load();
} else {
  if (isFirstStart()) {
    spawnSync(process.execPath, [fileURLToPath(import.meta.url), COMPILE_ONLY], {
      stdio: 'ignore',
    });
  }
  enableCompileCache(CACHE_DIR);
  await start();
}

/** False also where the folder cannot be made: Node does without. */
function isFirstStart() {
  try {
    return mkdirSync(CACHE_DIR, { recursive: true }) !== undefined;
  } catch {
    return false;
  }
}

function load() {
  return Promise.all([
    import('../packages/server/src/config/index.ts'),
    import('../packages/server/src/platform/database/embedded/error.ts'),
    import('./start/launch.ts'),
  ]);
}

async function start() {
  const [{ ConfigError }, { EmbeddedDatabaseError }, { launch }] = await load();
  launch().then(
    code => process.exit(code),
    error => {
      const isRefusal = error instanceof ConfigError || error instanceof EmbeddedDatabaseError;
      console.error(isRefusal ? error.message : error);
      process.exit(error instanceof ConfigError ? 2 : 1);
    },
  );
}

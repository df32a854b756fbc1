import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

// Before anything else is loaded: without it the launcher keeps Node's TypeScript compiler in
// memory for as long as it runs. Where the folder cannot be written Node does without.
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/launcher', import.meta.url)));

const [{ ConfigError }, { EmbeddedDatabaseError }, { launch }] = await Promise.all([
  import('../packages/server/src/config/index.ts'),
  import('../packages/server/src/platform/database/embedded/error.ts'),
  import('./start/launch.ts'),
]);

/**
 * `npm start`: the server, with what it needs around it. Without an upstream in the settings it
 * gets the simulated model; without fresh pages the console is built. Exit code: the server's.
 */
launch().then(
  code => process.exit(code),
  error => {
    const isRefusal = error instanceof ConfigError || error instanceof EmbeddedDatabaseError;
    console.error(isRefusal ? error.message : error);
    process.exit(error instanceof ConfigError ? 2 : 1);
  },
);

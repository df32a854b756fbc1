import { ConfigError } from '../packages/server/src/config/index.ts';
import { EmbeddedDatabaseError } from '../packages/server/src/platform/database/embedded/error.ts';
import { launch } from './start/launch.ts';

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

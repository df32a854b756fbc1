import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** Their tests start so many processes that a small process of their own serves them best. */
const SPAWNING = [
  'packages/server/src/runs/{agents,sandbox,tasks,worker,workspace}/**/*.test.ts',
  'tools/**/*.test.ts',
];
/**
 * Tests wait for timers and processes about as long as they compute: one more than cores. With two
 * more, a lease ran out beside the longest tests while a database was started again.
 */
const WORKERS = Math.min(availableParallelism() + 1, 8);

/**
 * The end-to-end tests, which start whole servers and a browser, come first: they take longest, and
 * short files fill up the cores while the last of them end. They and those that start many
 * processes have a process per file. All others share processes, so that modules are loaded once
 * per worker and not once per file: what a test changes there (fake timers, globals, environment),
 * it puts back. Services come from `tools/services`.
 */
export default defineConfig({
  test: {
    environment: 'node',
    globalSetup: ['tools/services/global-setup.ts'],
    pool: 'forks',
    maxWorkers: WORKERS,
    // A machine may be four times as slow as another; waits have bounds of their own.
    testTimeout: 180_000,
    hookTimeout: 300_000,
    teardownTimeout: 20_000,
    // A poll ends as soon as it holds; its limit of a second is too short for a busy machine.
    expect: { poll: { timeout: 15_000 } },
    // A rejection that nobody handled, or a test that was left out by mistake, fails the run.
    dangerouslyIgnoreUnhandledErrors: false,
    allowOnly: false,
    coverage: {
      provider: 'v8',
      include: ['packages/{server,protocol,client}/src/**/*.ts'],
      exclude: ['**/*.test.ts', '**/testing.ts', '**/testing/**'],
      reporter: ['text-summary', 'json', 'json-summary'],
      reportsDirectory: 'coverage',
    },
    projects: [
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['tests/**/*.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
      {
        extends: true,
        test: { name: 'spawning', include: SPAWNING },
      },
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['{packages,tools,bench}/**/*.test.{ts,tsx}'],
          exclude: ['**/node_modules/**', ...SPAWNING],
          isolate: false,
        },
      },
    ],
  },
});

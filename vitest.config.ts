import { defineConfig } from 'vitest/config';

/**
 * Tests of the packages and tools run first, two files at a time; the end-to-end tests, which start
 * whole servers and a browser, follow one file at a time. Services come from `tools/services`.
 */
export default defineConfig({
  test: {
    environment: 'node',
    globalSetup: ['tools/services/global-setup.ts'],
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 20_000,
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
          name: 'unit',
          include: ['{packages,tools,bench}/**/*.test.{ts,tsx}'],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['tests/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});

/** Loaded before a relay under test (`--import`): collects its garbage when it gets SIGUSR2. */
process.on('SIGUSR2', () => globalThis.gc?.());

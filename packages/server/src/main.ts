/**
 * One server process: settings → compose → start → signal → drain → stop.
 *
 * SIGTERM and SIGINT drain: readiness turns false, new work is accepted a little longer for load
 * balancers that are slow to notice, sessions may finish within the grace period. A second signal
 * ends the wait. Where a launcher has started this process, the end of standard input counts as the
 * first signal: the launcher is gone. Exit codes: 0 after an orderly stop, 1 for a failed start,
 * a crash or a main loop that does not turn, 2 for faults in the settings.
 */
import { createApplication } from './application.ts';
import { openPlatform } from './compose.ts';
import { ConfigError, loadConfig, mergeVariables, readDotenv } from './config/index.ts';
import { closeInherited, HoldfastError } from './kernel/index.ts';
import { EmbeddedDatabaseError } from './platform/database/index.ts';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

async function main(): Promise<void> {
  // First: one that led to a folder of this machine would lead every agent there.
  const inherited = closeInherited();
  const dotenv = readDotenv('.env');
  const config = loadConfig(process.env, dotenv);
  const launcherGone = config.launcher.endsWithStdin ? whenInputEnds() : undefined;
  const platform = await openPlatform(config, mergeVariables(process.env, dotenv));
  const { log } = platform.telemetry;
  if (inherited.length > 0) log.warn('process.descriptors_closed', { descriptors: inherited });
  const application = await createApplication(config, platform);
  process.on('uncaughtException', error => {
    log.error('process.crashed', { error });
    process.exitCode = 1;
    application.stop({ hurry: true });
  });
  for (const signal of SIGNALS) {
    let count = 0;
    process.on(signal, () => {
      count += 1;
      log.info('signal.received', { signal, count });
      application.stop({ hurry: count > 1 });
    });
  }
  void launcherGone?.then(() => {
    log.info('launcher.gone');
    application.stop({ hurry: false });
  });
  await application.start();
  await platform.close(await application.stopped);
}

/** Listens from the start of the process: the launcher may be gone before anything is open. */
function whenInputEnds(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  for (const end of ['end', 'close', 'error']) process.stdin.on(end, () => resolve());
  process.stdin.resume();
  return promise;
}

main().then(
  // Everything was asked to stop; what still holds the event loop open must not delay the end.
  () => process.exit(),
  error => {
    console.error(describe(error));
    process.exit(error instanceof ConfigError ? 2 : 1);
  },
);

/** Faults in settings and refusals are for the operator to read; all else needs its stack. */
function describe(error: unknown): string {
  if (error instanceof ConfigError || error instanceof EmbeddedDatabaseError) return error.message;
  if (error instanceof HoldfastError && error.cause === undefined) return error.detail;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

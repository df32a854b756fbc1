import { ArgumentError, HELP, readArguments } from './client/arguments.ts';
import { run } from './client/run.ts';

/**
 * `npm run client -- ws://… --connections 5 --duration 300 --ping-interval 30`: keeps connections
 * open and reports whether they lived. Exit code 0: all lived; 1: some did not; 2: wrong arguments.
 */
async function main(): Promise<number> {
  const options = readArguments(process.argv.slice(2));
  if (options === 'help') {
    console.log(HELP);
    return 0;
  }
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort());
  process.once('SIGTERM', () => interrupt.abort());
  const { text, passed } = await run(options, interrupt.signal);
  console.log(text);
  return passed ? 0 : 1;
}

main().then(
  code => {
    process.exitCode = code;
  },
  error => {
    console.error(error instanceof ArgumentError ? `${error.message}\n\n${HELP}` : error);
    process.exitCode = error instanceof ArgumentError ? 2 : 1;
  },
);

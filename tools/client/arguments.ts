import { parseArgs } from 'node:util';

export interface ClientOptions {
  readonly url: URL;
  readonly connections: number;
  readonly durationMs: number;
  readonly pingIntervalMs: number;
  /** Sent as a bearer token. */
  readonly key: string | undefined;
  /** Certificates are not checked; for a server with one of its own making. */
  readonly insecure: boolean;
}

export class ArgumentError extends Error {
  override readonly name = 'ArgumentError';
}

const CONNECTIONS_MAX = 10_000;
const SECONDS_MAX = 86_400;

export const HELP = `Usage: npm run client -- <ws-url> [options]

Opens WebSocket connections, keeps them open, pings them, and reports for each one whether it
lived, which revision it talked to, and what it received.

  <ws-url>             such as ws://localhost:8080/ws
  --connections <n>    connections at the same time (default 1, at most ${CONNECTIONS_MAX})
  --duration <s>       seconds to keep them open (default 300)
  --ping-interval <s>  seconds between pings (default 30)
  --key <key>          API key or client secret, sent as a bearer token
                       (default: CLIENT_KEY of the environment)
  --insecure           do not check the server's certificate
  --help               this text

Exit code: 0 when every connection opened, answered every ping, and lived until the end; else 1.
2 for wrong arguments.`;

/** Throws `ArgumentError` with a sentence that names the argument. */
export function readArguments(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = process.env,
): ClientOptions | 'help' {
  const { values, positionals } = parse(args);
  if (values.help) return 'help';
  const [address, ...others] = positionals;
  if (address === undefined) throw new ArgumentError('The WebSocket URL is missing.');
  if (others.length > 0) throw new ArgumentError(`Unexpected argument: ${others.join(' ')}`);
  return {
    url: readUrl(address),
    connections: readNumber('--connections', values.connections, CONNECTIONS_MAX),
    durationMs: readNumber('--duration', values.duration, SECONDS_MAX) * 1000,
    pingIntervalMs: readNumber('--ping-interval', values['ping-interval'], SECONDS_MAX) * 1000,
    key: values.key ?? (environment.CLIENT_KEY || undefined),
    insecure: values.insecure,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        connections: { type: 'string', default: '1' },
        duration: { type: 'string', default: '300' },
        'ping-interval': { type: 'string', default: '30' },
        key: { type: 'string' },
        insecure: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    throw new ArgumentError(error instanceof Error ? error.message : String(error));
  }
}

function readUrl(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url && ['ws:', 'wss:'].includes(url.protocol)) return url;
  throw new ArgumentError(`Not a ws:// or wss:// URL: ${address}`);
}

/** Fractions are welcome for times, whole numbers for counts. */
function readNumber(name: string, text: string, max: number): number {
  const value = Number(text);
  const isWhole = name !== '--connections' || Number.isInteger(value);
  if (/^\d+(\.\d+)?$/.test(text) && value > 0 && value <= max && isWhole) return value;
  throw new ArgumentError(`${name}: expected a number above 0, at most ${max}, got "${text}"`);
}

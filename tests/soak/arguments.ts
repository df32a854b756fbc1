import { parseArgs } from 'node:util';

const STACKS = ['embedded', 'production'] as const;
type StackName = (typeof STACKS)[number];

export interface SoakOptions {
  readonly stack: StackName;
  readonly sessions: number;
  /** Audio frames a second, in each direction of each session. */
  readonly fps: number;
  readonly frameBytes: number;
  readonly durationMs: number;
  /** Samples before this time do not count for the slope. */
  readonly warmUpMs: number;
  readonly sampleEveryMs: number;
  /** How often each session makes a fact for the log: a function's result. */
  readonly factEveryMs: number;
  readonly loadProcesses: number;
  /** Server on one core, everything else on another. */
  readonly pin: boolean;
  readonly slopeMaxMbPerMinute: number;
  readonly seed: string;
}

export class ArgumentError extends Error {
  override readonly name = 'ArgumentError';
}

const DEFAULTS = {
  stack: 'embedded',
  sessions: '200',
  fps: '25',
  minutes: '5',
  'frame-bytes': '1920',
  'sample-seconds': '15',
  'facts-per-minute': '6',
  'load-processes': '1',
  'max-slope': '1',
} as const;

/** A line through fewer points does not show leaks. */
const SAMPLES_MIN = 3;
const WARM_UP_MAX_S = 60;
/** The simulator's own limit on the lifetime of a session is a day. */
const MINUTES_MAX = 23 * 60;

export const HELP = `Usage: npm run soak -- [options]

Holds voice sessions through a real server for minutes, both directions at full rate, and proves
that nothing was lost (SHA-256 of all audio at both ends, the log without a gap) and that memory
does not grow (heap after forced collections, by linear regression).

  --sessions <n>          WebSocket sessions at the same time (default ${DEFAULTS.sessions})
  --fps <n>               audio frames a second, each way (default ${DEFAULTS.fps})
  --minutes <n>           how long (default ${DEFAULTS.minutes})
  --stack <name>          ${STACKS.join(' or ')} (default ${DEFAULTS.stack})
  --frame-bytes <n>       PCM in one frame, an even number (default ${DEFAULTS['frame-bytes']})
  --facts-per-minute <n>  events for the log, each session (default ${DEFAULTS['facts-per-minute']})
  --sample-seconds <n>    between two looks at the memory (default ${DEFAULTS['sample-seconds']})
  --warm-up-seconds <n>   samples that do not count (default 60, in short runs a quarter)
  --max-slope <n>         MB a minute that the heap may grow (default ${DEFAULTS['max-slope']})
  --load-processes <n>    processes that make the load (default ${DEFAULTS['load-processes']})
  --pin                   server on core 0, load and model on core 1 (Linux)
  --help                  this text

SEED of the environment repeats a run. Figures are also written to tests/soak/results/.
Exit code: 0 when everything holds, 1 when not, 2 for wrong arguments.`;

/** Throws `ArgumentError` with a sentence that names the argument. */
export function readArguments(args: readonly string[], seed?: string): SoakOptions | 'help' {
  const values = parse(args);
  if (values.help) return 'help';
  const stack = STACKS.find(name => name === values.stack);
  if (stack === undefined) throw new ArgumentError(`--stack is one of ${STACKS.join(', ')}.`);
  const number = (name: keyof typeof DEFAULTS, min: number, max: number) =>
    readNumber(`--${name}`, values[name], { min, max });
  const durationMs = number('minutes', 0.1, MINUTES_MAX) * 60_000;
  const sampleEveryMs = number('sample-seconds', 1, 600) * 1_000;
  const warmUpS = values['warm-up-seconds'] ?? Math.min(WARM_UP_MAX_S, durationMs / 4_000);
  const warmUpMs = readNumber('--warm-up-seconds', String(warmUpS), { min: 0, max: 3_600 }) * 1_000;
  if ((durationMs - warmUpMs) / sampleEveryMs < SAMPLES_MIN) {
    const message = `Between warm-up and end there is no time for ${SAMPLES_MIN} samples.`;
    throw new ArgumentError(`${message} See --minutes, --warm-up-seconds, --sample-seconds.`);
  }
  return {
    stack,
    sessions: whole('--sessions', number('sessions', 1, 2_000)),
    fps: number('fps', 1, 1_000),
    frameBytes: even('--frame-bytes', number('frame-bytes', 2, 65_536)),
    durationMs,
    warmUpMs,
    sampleEveryMs,
    factEveryMs: 60_000 / number('facts-per-minute', 0.01, 600),
    loadProcesses: whole('--load-processes', number('load-processes', 1, 16)),
    pin: values.pin,
    slopeMaxMbPerMinute: number('max-slope', 0, 1_000),
    seed: seed ?? String(Date.now()),
  };
}

function parse(args: readonly string[]) {
  const option = (value: string) => ({ type: 'string', default: value }) as const;
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        stack: option(DEFAULTS.stack),
        sessions: option(DEFAULTS.sessions),
        fps: option(DEFAULTS.fps),
        minutes: option(DEFAULTS.minutes),
        'frame-bytes': option(DEFAULTS['frame-bytes']),
        'sample-seconds': option(DEFAULTS['sample-seconds']),
        'facts-per-minute': option(DEFAULTS['facts-per-minute']),
        'load-processes': option(DEFAULTS['load-processes']),
        'max-slope': option(DEFAULTS['max-slope']),
        'warm-up-seconds': { type: 'string' },
        pin: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    return values;
  } catch (error) {
    throw new ArgumentError(error instanceof Error ? error.message : String(error));
  }
}

function readNumber(name: string, text: string, bounds: { min: number; max: number }): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= bounds.min && value <= bounds.max) return value;
  throw new ArgumentError(
    `${name} is a number from ${bounds.min} to ${bounds.max}, not '${text}'.`,
  );
}

function whole(name: string, value: number): number {
  if (Number.isInteger(value)) return value;
  throw new ArgumentError(`${name} is a whole number.`);
}

function even(name: string, value: number): number {
  if (value % 2 === 0) return value;
  throw new ArgumentError(`${name} is an even number: samples have two bytes.`);
}

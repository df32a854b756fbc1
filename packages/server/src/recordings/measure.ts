import { realpathSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { measuredAudio } from '@holdfast/protocol';
import { z } from 'zod';
import { HoldfastError, parseJson } from '../kernel/index.ts';
import { type ConfinedLimits, createConfined } from '../platform/isolation/index.ts';
import type { Telemetry } from '../platform/telemetry/index.ts';
import { CONTAINERS, type Container } from './recording.ts';

/** Only a hostile file takes longer: 100 MB are parsed in less than a second. */
export const PARSER_CPU_MAX_S = 20;
/** Longer than that shows a busy machine, not a fault of the file. */
const TIMEOUT_MS = 60_000;
const BUSY_RETRY_S = 30;

const realPath = (url: string | URL) => realpathSync(fileURLToPath(url));
const MAIN = realPath(new URL('./parser/main.ts', import.meta.url));
const MANIFEST = realPath(new URL('../../package.json', import.meta.url));
const LIBRARY = /^.*\/node_modules\/mediabunny\//.exec(
  realPath(import.meta.resolve('mediabunny')),
)![0];

/**
 * Parses the container of a finished file and measures the audio that is there. Throws
 * `unprocessable` naming `audio_file` when it is no accepted container or holds no audio, and when
 * parsing it takes more time or memory than is allowed; `unavailable` when the machine is too busy.
 */
export type MeasureAudio = (path: string) => Promise<Measurement>;

type Measurement = z.infer<typeof measurement>;

export interface MeasureOptions {
  readonly parsersMax: number;
  readonly parserMemoryBytes: number;
  readonly log: Pick<Telemetry['log'], 'warn'>;
}

/** Files are parsed each in a process of its own, which a hostile one can only end. */
export function createMeasureAudio(options: MeasureOptions): MeasureAudio {
  const limits: ConfinedLimits = {
    runsMax: options.parsersMax,
    heapMaxBytes: options.parserMemoryBytes,
    cpuMaxS: PARSER_CPU_MAX_S,
    timeoutMs: TIMEOUT_MS,
  };
  const readOnly = [dirname(MAIN), MANIFEST, LIBRARY];
  const parser = createConfined({ main: MAIN, readOnly, limits }, why =>
    options.log.warn('recording.parser_not_isolated', { why }),
  );
  return async path => {
    const file = await open(path, 'r');
    try {
      const end = await parser.run(file.fd);
      if (end.kind === 'done') return measuredOf(end.output);
      options.log.warn('recording.parser_stopped', { by: end.by });
      if (end.by === 'wall') throw busy();
      throw notAudio(STOPPED[end.by]);
    } finally {
      await file.close();
    }
  };
}

const CONTAINER_NAMES = Object.keys(CONTAINERS) as Container[];
const STOPPED = {
  cpu: 'takes too long to parse.',
  memory: 'takes too much memory to parse.',
  itself: 'cannot be parsed.',
} as const;

const EDITS_MAX = 4;
const EDIT_MAX_BYTES = 32;
const place = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

const measurement = z.object({
  measured: measuredAudio.extend({ container: z.literal(CONTAINER_NAMES) }),
  /** What the recorder could not know when it wrote the header, in the order of the file. */
  edits: z
    .array(
      z.object({
        at: place,
        remove: place.max(EDIT_MAX_BYTES),
        insert: z.hex().max(2 * EDIT_MAX_BYTES),
      }),
    )
    .max(EDITS_MAX),
});
const report = z.union([z.object({ fault: z.string().max(200) }), measurement]);

/** A parser that a hostile file controls may print anything. */
function measuredOf(output: string): Measurement {
  const { data } = report.safeParse(parseJson(output));
  if (data === undefined) throw notAudio(STOPPED.itself);
  if ('fault' in data) throw notAudio(data.fault);
  return data;
}

function busy(): HoldfastError {
  const detail = 'The recording could not be parsed in time; send it again shortly.';
  return new HoldfastError('unavailable', detail, { retryAfterS: BUSY_RETRY_S });
}

function notAudio(fault: string): HoldfastError {
  return new HoldfastError('unprocessable', `audio_file ${fault}`, { field: 'audio_file' });
}

/** Audio that people upload to voice sessions. */
import { join } from 'node:path';
import type { Auth } from '../auth/index.ts';
import type { Platform } from '../compose.ts';
import type { Config } from '../config/index.ts';
import { blobRoutes } from '../platform/blobs/index.ts';
import { recordedSessions } from '../realtime/index.ts';
import {
  createMeasureAudio,
  createRecordingSweep,
  createRecordings,
  openSpool,
  type Recordings,
  recordingRoutes,
} from '../recordings/index.ts';
import type { Feature } from './feature.ts';
import { workerSocket } from './http.ts';

const SWEEP_INTERVAL_MS = 60_000;

export interface RecordingsFeature extends Feature {
  readonly recordings: Recordings;
}

export async function openRecordings(
  config: Config,
  platform: Platform,
  { audit }: Auth,
): Promise<RecordingsFeature> {
  const { blobs } = platform;
  const { uploadMaxBytes, retentionDays, parsersMax, parserMemoryBytes } = config.recordings;
  const { roles } = config.server;
  const spool = await openSpool(join(config.server.dataDir, 'spool'));
  const { log } = platform.telemetry;
  const measureAudio = createMeasureAudio({ parsersMax, parserMemoryBytes, log });
  const recordings = createRecordings({
    ...platform,
    spool,
    measureAudio,
    sessions: recordedSessions,
    uploadMaxBytes,
    audit,
  });
  const sweep = createRecordingSweep({
    ...platform,
    recordings,
    spool,
    intervalMs: SWEEP_INTERVAL_MS,
    retentionDays: retentionDays ?? undefined,
  });
  const erasures = { name: 'erasures of recordings', start: () => recordings.hideAgain() };
  // Also where uploads arrive: no other process finishes what waits in this one's spool. A worker
  // beside such a process shares its data folder and leaves the spool to it.
  const sweeps = roles.includes('api') || (roles.includes('worker') && !workerSocket(config));
  return {
    recordings,
    components: [erasures, ...(sweeps ? [sweep] : [])],
    routes: roles.includes('api')
      ? [
          recordingRoutes(recordings, blobs),
          ...('verify' in blobs ? [blobRoutes(blobs, recordings.noteRead)] : []),
        ]
      : [],
  };
}

/**
 * For tests: the recordings feature behind a real HTTP server, with real database, files and log.
 * The header `x-caller` names the caller, as `role:id`; everything else is as in the server.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RecordingMetadata, Role } from '@holdfast/protocol';
import type { AuditRecord, Principal } from '../auth/index.ts';
import { createHttpServer, type Guard } from '../http/index.ts';
import { newId } from '../kernel/index.ts';
import { type BlobStore, blobRoutes, openFilesystemBlobs } from '../platform/blobs/index.ts';
import type { Database } from '../platform/database/index.ts';
import { createProcessDoorbell } from '../platform/doorbell/testing.ts';
import { createLog, type Log } from '../platform/log/index.ts';
import {
  type RecordedTelemetry,
  randomMasterKey,
  recordTelemetry,
} from '../platform/log/testing.ts';
import { createSealer } from '../platform/secrets/index.ts';
import {
  createMeasureAudio,
  createRecordings,
  openSpool,
  type Recordings,
  recordingRoutes,
  type Spool,
} from './index.ts';

export const UPLOAD_MAX_BYTES = 200_000;
export const PARSERS = { parsersMax: 2, parserMemoryBytes: 128 * 1024 * 1024 } as const;
const PROJECT = 'default';

export interface RecordingHost {
  readonly url: string;
  readonly database: Database;
  readonly log: Log;
  readonly blobs: BlobStore;
  readonly spool: Spool;
  readonly recordings: Recordings;
  readonly telemetry: RecordedTelemetry;
  /** Which client secret opened a session. */
  readonly secrets: Map<string, string>;
  /** Sessions that were told of uploads. */
  readonly active: string[];
  /** What went to the audit log. */
  readonly audited: AuditRecord[];
  /** Set to make the audit log refuse. */
  auditFails: boolean;
  /** A session of `owner`; answers its id. */
  newSession(owner: string): Promise<string>;
  close(): Promise<void>;
}

/** `wrap` may put a fault in front of the blob store. The database stays the caller's. */
export async function openRecordingHost(
  database: Database,
  wrap: (blobs: BlobStore) => BlobStore = blobs => blobs,
): Promise<RecordingHost> {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-recordings-'));
  const telemetry = await recordTelemetry();
  const sealer = createSealer({ database, masterKeys: randomMasterKey() });
  const log = createLog({ database, sealer, doorbell: createProcessDoorbell() });
  const files = await openFilesystemBlobs({
    dir: join(dir, 'blobs'),
    baseUrl: () => 'http://localhost',
    signingKey: new Uint8Array(32),
  });
  const blobs = wrap(files);
  const spool = await openSpool(join(dir, 'spool'));
  const ports = { database, log, blobs, sealer, spool, telemetry };
  const measureAudio = createMeasureAudio({ ...PARSERS, log: telemetry.log });
  const audited: AuditRecord[] = [];
  const recordings = createRecordings({
    ...ports,
    measureAudio,
    sessions: {
      secretOf: async (_executor, id) => host.secrets.get(id) ?? null,
      noteActivity: async (_trx, id) => void host.active.push(id),
    },
    audit: {
      record: async record => {
        if (host.auditFails) throw new Error('no audit log');
        audited.push(record);
      },
    },
    leases: { replica: 'rep_test' },
    uploadMaxBytes: UPLOAD_MAX_BYTES,
  });
  const server = await createHttpServer<Principal>({
    guard: callerGuard,
    telemetry,
    api: { title: 'test', version: '1' },
    corsOrigins: [],
  });
  await server.app.register(recordingRoutes(recordings, blobs));
  await server.app.register(blobRoutes(files, recordings.noteRead));
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  const host: RecordingHost = {
    ...ports,
    recordings,
    secrets: new Map(),
    active: [],
    audited,
    auditFails: false,
    url: `http://127.0.0.1:${port}`,
    newSession: async owner => {
      const id = newId('ses');
      await database.transaction(trx =>
        log.create(trx, { id, kind: 'session', projectId: PROJECT, createdBy: owner }),
      );
      return id;
    },
    close: async () => {
      await server.close(0);
      await telemetry.close();
      await rm(dir, { recursive: true });
    },
  };
  return host;
}

/** Uploads the WebM fixture to a session of ann's, as she. */
export async function sendUpload(host: RecordingHost, session: string): Promise<Response> {
  const form = new FormData();
  form.append('audio_file', new Blob([(await fixture('webm')) as BlobPart]), 'a.webm');
  form.append('metadata', JSON.stringify(declared()));
  const headers = { 'session-id': session, 'x-caller': 'Developer:ann' };
  return fetch(`${host.url}/audio/upload`, { method: 'POST', headers, body: form });
}

/** `x-caller`: `role:id:project`, and for the holder of a client secret `secret:sec_…`. */
const callerGuard: Guard<Principal> = {
  checkRoute: () => {},
  refused: () => {},
  authenticate: async request => {
    const [role = 'Developer', id = 'ann', projectId = PROJECT] = String(
      request.headers['x-caller'] ?? 'Developer:ann',
    ).split(':');
    if (role !== 'secret') {
      return { kind: 'user', id, name: id, projectId, role: role as Role };
    }
    const grant = { secretId: id, model: 'm', session: {}, locked: [], isOver: false };
    return { kind: 'client_secret', id: 'ann', name: 'ann', projectId, role: 'Developer', grant };
  },
};

export const FIXTURES = {
  webm: 'tone.webm',
  ogg: 'tone.ogg',
  mp4: 'tone.mp4',
  wav: 'tone.wav',
} as const;

export function fixture(format: keyof typeof FIXTURES): Promise<Buffer> {
  return readFile(join(import.meta.dirname, 'fixtures', FIXTURES[format]));
}

/** What an honest client declares for the three-second fixtures. */
export function declared(change: Record<string, unknown> = {}): RecordingMetadata {
  return {
    audio_type: 'user_speech',
    format: 'webm',
    duration: 3,
    sample_rate: 48_000,
    channels: 1,
    timestamp_start: '2026-11-22T10:00:00Z',
    timestamp_end: '2026-11-22T10:00:03Z',
    language: 'ja-JP',
    ...change,
  };
}

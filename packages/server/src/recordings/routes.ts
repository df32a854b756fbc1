import multipart from '@fastify/multipart';
import {
  audioType,
  LIST_LIMIT_DEFAULT,
  LIST_LIMIT_MAX,
  recording,
  recordingList,
  uploadAnswer,
} from '@holdfast/protocol';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { HoldfastError, isId } from '../kernel/index.ts';
import { type BlobStore, parseByteRange } from '../platform/blobs/index.ts';
import { type App, type Caller, callerOf, idParams } from '../work/index.ts';
import { MULTIPART_LIMITS, readUploadForm } from './multipart.ts';
import { presentDigests, presentMeasured } from './present.ts';
import { type Recordings, SIGNED_URL_TTL_S } from './service.ts';
import type { RecordingRow } from './store.ts';

const TAGS = ['recordings'];
const listQuery = z.object({
  audio_type: audioType.optional(),
  limit: z.coerce.number().int().min(1).max(LIST_LIMIT_MAX).default(LIST_LIMIT_DEFAULT),
  offset: z.coerce.number().int().min(0).max(1_000_000).default(0),
});

/** Upload in the seeds' shape, listing, playback with ranges, deletion. */
export function recordingRoutes(recordings: Recordings, blobs: BlobStore): FastifyPluginAsync {
  return async plain => {
    const app = plain.withTypeProvider<ZodTypeProvider>();
    await app.register(multipart, {
      preservePath: true,
      limits: { ...MULTIPART_LIMITS, fileSize: recordings.uploadMaxBytes + 1 },
    });
    addUpload(app, recordings, blobs);
    addReading(app, recordings);
    app.delete(
      '/v1/recordings/:id',
      {
        config: { policy: 'recordings.delete' },
        schema: { tags: TAGS, summary: 'Delete a recording', params: idParams },
      },
      async (request, reply) => {
        await recordings.delete(callerOf(request), request.params.id);
        return reply.status(204).send();
      },
    );
  };
}

function addUpload(app: App, recordings: Recordings, blobs: BlobStore): void {
  app.post(
    '/audio/upload',
    {
      config: { policy: 'recordings.write' },
      schema: {
        tags: TAGS,
        summary: 'Upload a recording (multipart: audio_file, metadata; header session-id)',
        consumes: ['multipart/form-data'],
        response: { 201: uploadAnswer },
      },
    },
    async (request, reply) => {
      const row = await upload(recordings, request);
      return reply.status(201).send(await presentUpload(blobs, row));
    },
  );
}

function addReading(app: App, recordings: Recordings): void {
  const config = { policy: 'recordings.read' };
  app.get(
    '/v1/sessions/:id/recordings',
    {
      config,
      schema: {
        tags: TAGS,
        summary: 'Recordings of a session',
        params: idParams,
        querystring: listQuery,
        response: { 200: recordingList },
      },
    },
    async request => presentList(recordings, callerOf(request), request.params.id, request.query),
  );
  app.get(
    '/v1/recordings/:id',
    {
      config,
      schema: {
        tags: TAGS,
        summary: 'One recording',
        params: idParams,
        response: { 200: recording },
      },
    },
    async request => recordings.get(callerOf(request), request.params.id),
  );
  app.get(
    '/v1/recordings/:id/audio',
    {
      config: { ...config, embeddable: true },
      schema: { tags: TAGS, summary: 'The audio, with range requests', params: idParams },
    },
    async (request, reply) => sendAudio(recordings, request, request.params.id, reply),
  );
}

async function upload(recordings: Recordings, request: FastifyRequest): Promise<RecordingRow> {
  const sessionId = request.headers['session-id'];
  if (!isId('ses', sessionId)) {
    throw new HoldfastError('invalid_request', 'The header session-id must name a session.', {
      field: 'session-id',
    });
  }
  if (!request.isMultipart()) {
    throw new HoldfastError('unsupported_media_type', 'Send multipart/form-data.', {
      field: 'content-type',
      allowed: ['multipart/form-data'],
    });
  }
  const session = await recordings.uploadTarget(callerOf(request), sessionId);
  const { uploads } = recordings;
  const { grant, id: owner } = request.principal;
  const admitted = uploads.admit(grant?.secretId ?? owner);
  try {
    const form = await readUploadForm(request.parts(), part =>
      uploads.receive(admitted.id, part.file),
    );
    await request.reauthenticate();
    return await uploads.finish({
      id: admitted.id,
      session,
      principal: request.principal,
      ...form,
    });
  } finally {
    await admitted.release();
  }
}

async function presentUpload(blobs: BlobStore, row: RecordingRow) {
  return {
    audio_id: row.id,
    session_id: row.session_id,
    blob_url: blobs.url(row.blob_key),
    sas_url: await blobs.signedUrl(row.blob_key, SIGNED_URL_TTL_S),
    size_bytes: row.size_bytes,
    ...presentDigests(row),
    metadata: { ...row.metadata, measured: presentMeasured(row) },
    uploaded_at: (row.completed_at ?? row.created_at).toISOString(),
  };
}

async function presentList(
  recordings: Recordings,
  caller: Caller,
  sessionId: string,
  query: z.infer<typeof listQuery>,
) {
  const { audio_type, limit, offset } = query;
  const found = await recordings.list(caller, {
    sessionId,
    audioType: audio_type,
    limit,
    offset,
  });
  const sum = (pick: (part: (typeof found.totals)[number]) => number) =>
    found.totals.reduce((total, part) => total + pick(part), 0);
  return {
    session_id: sessionId,
    summary: {
      total_files: sum(part => part.count),
      total_duration: sum(part => part.durationS),
      total_size_bytes: sum(part => part.sizeBytes),
      by_type: Object.fromEntries(found.totals.map(part => [part.audioType, part.count])),
    },
    audio_files: found.recordings,
    pagination: { limit, offset, has_more: found.hasMore },
  };
}

async function sendAudio(
  recordings: Recordings,
  request: FastifyRequest,
  id: string,
  reply: FastifyReply,
) {
  const audio = await recordings.play(callerOf(request), id, sizeBytes =>
    parseByteRange(request.headers.range, sizeBytes),
  );
  reply
    .header('content-type', audio.contentType)
    .header('accept-ranges', 'bytes')
    .header('etag', audio.etag)
    .header('cache-control', 'no-store')
    .header('content-disposition', `inline; filename="${audio.fileName}"`);
  if (audio.range === undefined) {
    return reply.header('content-length', audio.sizeBytes).send(audio.body);
  }
  const { start, end } = audio.range;
  return reply
    .status(206)
    .header('content-range', `bytes ${start}-${end}/${audio.sizeBytes}`)
    .header('content-length', end - start + 1)
    .send(audio.body);
}

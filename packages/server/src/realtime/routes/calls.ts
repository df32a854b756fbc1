import multipart from '@fastify/multipart';
import {
  betaSessionRequest,
  clientSecretRequest,
  realtimeSessionConfig,
  translationSecretRequest,
} from '@holdfast/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { faultOf } from '../../http/index.ts';
import { assertShallow, HoldfastError, parseJson } from '../../kernel/index.ts';
import { type App, callerOf } from '../../work/index.ts';
import type { Calls } from '../calls/service.ts';
import { SDP_MAX_BYTES } from '../calls/upstream-call.ts';
import { type Minter, mintBetaSession, mintSecret, type SecretsDeps } from '../mint-secret.ts';
import { givenSafetyIdentifier, safetyIdentifierOf } from '../passed-on.ts';
import type { Json } from '../preview/session.ts';

/**
 * The provider-shaped REST routes, under OpenAI's path and under Azure's.
 * Source: openai-openapi `openapi.yaml`, `/realtime/client_secrets`, `/realtime/calls`.
 */
const BASES = ['/v1/realtime', '/openai/v1/realtime'];
const TAGS = ['realtime'];
/** Instructions and tools of a call's session. */
const SESSION_MAX_BYTES = 512 * 1024;
const callParams = z.object({ id: z.string().max(200) });
const callQuery = z.looseObject({ model: z.string().max(200).optional() });

export async function addCallRoutes(app: App, calls: Calls, secrets: SecretsDeps): Promise<void> {
  await app.register(multipart, {
    limits: {
      fields: 2,
      files: 2,
      parts: 2,
      fieldSize: SESSION_MAX_BYTES,
      fileSize: SESSION_MAX_BYTES,
    },
  });
  addSdpParser(app);
  for (const base of BASES) {
    addMint(app, base, secrets);
    addBetaMints(app, base, secrets);
    addCreate(app, base, calls);
    addHangUp(app, base, calls);
  }
}

/**
 * Session descriptions are text, and clients call them any kind of it: a browser's `fetch` names
 * `text/plain` by itself. Their own bound is far below that of JSON.
 */
export function addSdpParser(app: App): void {
  for (const type of ['application/sdp', /^text\//]) {
    app.addContentTypeParser(
      type,
      { parseAs: 'string', bodyLimit: SDP_MAX_BYTES },
      (_request, body, done) => done(null, body),
    );
  }
}

function addMint(app: App, base: string, secrets: SecretsDeps): void {
  app.post(
    `${base}/client_secrets`,
    {
      config: { policy: 'realtime.mint', errors: 'openai' },
      schema: {
        tags: TAGS,
        summary: 'A short-lived token for one browser',
        body: clientSecretRequest.nullish(),
      },
    },
    async request => mintSecret(secrets, minterOf(request), request.body ?? {}),
  );
  app.post(
    `${base}/translations/client_secrets`,
    {
      config: { policy: 'realtime.mint', errors: 'openai' },
      schema: {
        tags: TAGS,
        summary: 'A short-lived token for one browser, for a translation',
        body: translationSecretRequest,
      },
    },
    async request => mintSecret(secrets, minterOf(request), request.body),
  );
}

/** What beta clients mint with, in their flat shape. */
function addBetaMints(app: App, base: string, secrets: SecretsDeps): void {
  const paths = { sessions: 'realtime', transcription_sessions: 'transcription' } as const;
  for (const [path, type] of Object.entries(paths)) {
    app.post(
      `${base}/${path}`,
      {
        config: { policy: 'realtime.mint', errors: 'openai' },
        schema: {
          tags: TAGS,
          summary: `A short-lived token for a beta client's ${type} session`,
          body: betaSessionRequest.nullish(),
        },
      },
      async request => mintBetaSession(secrets, minterOf(request), type, request.body ?? {}),
    );
  }
}

function addCreate(app: App, base: string, calls: Calls): void {
  // Beta clients post their offer to the base itself.
  for (const path of [`${base}/calls`, base]) {
    app.post(
      path,
      {
        config: { policy: 'realtime.connect', errors: 'openai' },
        schema: {
          tags: TAGS,
          summary: 'Place a WebRTC call: SDP offer in, SDP answer out',
          consumes: ['application/sdp', 'text/plain', 'multipart/form-data'],
          querystring: callQuery,
        },
      },
      async (request, reply) => {
        const { sdp, config } = await readOffer(request);
        const model = modelNamed(request.query.model, config);
        const safetyIdentifier = safetyIdentifierOf(request.principal, request.headers);
        const offer = { sdp, model, config, safetyIdentifier };
        const placed = await calls.create(callerOf(request), offer);
        sdpAnswer(reply, placed.sessionId);
        return reply
          .status(201)
          .header('location', `${base}/calls/${placed.callId}`)
          .send(placed.sdp);
      },
    );
  }
}

/** Named in the query or in the form; in both only where they agree. */
function modelNamed(query: string | undefined, config: Json): string | null {
  const form = typeof config.model === 'string' ? config.model : undefined;
  if (query !== undefined && form !== undefined && query !== form) {
    throw new HoldfastError('invalid_request', 'The query and the session name different models.', {
      field: 'session.model',
      allowed: [query],
    });
  }
  return query ?? form ?? null;
}

/** The browser's media goes to the provider; our session's id tells it where to upload to. */
export function sdpAnswer(reply: FastifyReply, sessionId: string): void {
  reply.header('content-type', 'application/sdp').header('holdfast-session', sessionId);
}

function addHangUp(app: App, base: string, calls: Calls): void {
  app.post(
    `${base}/calls/:id/hangup`,
    {
      config: { policy: 'realtime.control', errors: 'openai' },
      schema: { tags: TAGS, summary: 'Hang up a call', params: callParams },
    },
    async (request, reply) => {
      await calls.hangUp(callerOf(request), request.params.id);
      return reply.status(200).send();
    },
  );
}

async function readOffer(request: FastifyRequest): Promise<{ sdp: string; config: Json }> {
  if (!request.isMultipart()) return { sdp: offerOf(request.body), config: {} };
  const parts: Record<string, unknown> = {};
  try {
    for await (const part of request.parts()) {
      const isFile = part.type === 'file';
      parts[part.fieldname] = isFile ? (await part.toBuffer()).toString('utf8') : part.value;
    }
  } catch (error) {
    throw faultOf(error);
  }
  await request.reauthenticate();
  return { sdp: offerOf(parts.sdp), config: sessionOf(parts.session) };
}

export function offerOf(value: unknown): string {
  if (typeof value !== 'string' || value === '') {
    throw new HoldfastError('invalid_request', 'The session description (sdp) is missing.', {
      field: 'sdp',
    });
  }
  if (Buffer.byteLength(value) > SDP_MAX_BYTES) {
    throw new HoldfastError('payload_too_large', 'The session description is too long.', {
      field: 'sdp',
    });
  }
  if (!value.startsWith('v=0') || !/^m=audio /m.test(value)) {
    throw new HoldfastError('invalid_request', 'The session description offers no audio.', {
      field: 'sdp',
    });
  }
  return value;
}

/** A part of type `application/json` comes parsed, any other as text. */
function sessionOf(part: unknown): Json {
  if (part === undefined) return {};
  if (typeof part === 'string') {
    return realtimeSessionConfig.parse(parseJson(part, 'session', 'session'));
  }
  assertShallow(part, 'session');
  return realtimeSessionConfig.parse(part);
}

/** The caller of a route that mints, and the end user whom its header names. */
export function minterOf(request: FastifyRequest): Minter {
  const { headers, trace } = request;
  return { ...callerOf(request), safetyIdentifier: givenSafetyIdentifier(headers), trace };
}

import {
  eventEnvelope,
  eventListQuery,
  session,
  sessionListQuery,
  sessionPage,
} from '@holdfast/protocol';
import { z } from 'zod';
import type { Sessions } from '../service.ts';
import type { App } from './app.ts';

const TAGS = ['sessions'];
const idParams = z.object({ id: z.string().max(64) });

/** The native routes of the registry. */
export function addSessionRoutes(app: App, sessions: Sessions): void {
  app.get(
    '/v1/sessions',
    {
      config: { policy: 'sessions.read' },
      schema: {
        tags: TAGS,
        summary: 'Sessions of the project, newest first',
        querystring: sessionListQuery,
        response: { 200: sessionPage },
      },
    },
    async request => {
      const { created_by, ...query } = request.query;
      const page = await sessions.list(request.principal, { ...query, createdBy: created_by });
      return { data: page.data, next_cursor: page.nextCursor };
    },
  );
  app.get(
    '/v1/sessions/:id',
    {
      config: { policy: 'sessions.read' },
      schema: { tags: TAGS, summary: 'One session', params: idParams, response: { 200: session } },
    },
    async request => sessions.get(request.principal, request.params.id),
  );
  addEvents(app, sessions);
  addControls(app, sessions);
}

function addEvents(app: App, sessions: Sessions): void {
  app.get(
    '/v1/sessions/:id/events',
    {
      config: { policy: 'sessions.read' },
      schema: {
        tags: TAGS,
        summary: "A session's log, oldest first",
        description: 'Private fields are shown to the creator and to Admins. Never any audio.',
        params: idParams,
        querystring: eventListQuery,
        response: {
          200: z.object({ data: z.array(eventEnvelope), next_cursor: z.string().nullable() }),
        },
      },
    },
    async request => {
      const { after, limit } = request.query;
      const { principal, id: requestId, params } = request;
      const data = await sessions.events({ principal, requestId }, params.id, { after, limit });
      // A log may still grow, so the place to go on from is always given once there are events.
      return { data, next_cursor: data.length === 0 ? null : String(data.at(-1)!.seq) };
    },
  );
}

function addControls(app: App, sessions: Sessions): void {
  app.post(
    '/v1/sessions/:id/end',
    {
      config: { policy: 'sessions.control' },
      schema: {
        tags: TAGS,
        summary: 'End a session, wherever it runs',
        params: idParams,
        response: { 200: session },
      },
    },
    async request => {
      const { principal, id: requestId, params } = request;
      return sessions.end({ principal, requestId }, params.id);
    },
  );
  app.delete(
    '/v1/sessions/:id',
    {
      config: { policy: 'sessions.control' },
      schema: {
        tags: TAGS,
        summary: 'End a session and erase its log and recordings',
        params: idParams,
      },
    },
    async (request, reply) => {
      const { principal, id: requestId, params } = request;
      await sessions.erase({ principal, requestId }, params.id);
      return reply.status(204).send();
    },
  );
}

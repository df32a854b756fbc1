import {
  eventEnvelope,
  eventListQuery,
  session,
  sessionListQuery,
  sessionPage,
} from '@holdfast/protocol';
import { z } from 'zod';
import { type App, callerOf, idParams } from '../../work/index.ts';
import type { Sessions } from '../service.ts';

const TAGS = ['sessions'];

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
      return sessions.list(request.principal, { ...query, createdBy: created_by });
    },
  );
  app.get(
    '/v1/sessions/:id',
    {
      config: { policy: 'sessions.read' },
      schema: { tags: TAGS, summary: 'One session', params: idParams, response: { 200: session } },
    },
    async request => sessions.get(callerOf(request), request.params.id),
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
      const page = { after, limit };
      const data = await sessions.events(callerOf(request), request.params.id, page);
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
    async request => sessions.end(callerOf(request), request.params.id),
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
      await sessions.erase(callerOf(request), request.params.id);
      return reply.status(204).send();
    },
  );
}

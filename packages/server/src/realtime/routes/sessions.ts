import { session, sessionListQuery, sessionPage } from '@holdfast/protocol';

import { type App, addEventsRoute, callerOf, idParams } from '../../work/index.ts';
import type { Sessions } from '../service.ts';

const TAG = 'sessions';
const TAGS = [TAG];

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
  addEventsRoute(app, {
    path: '/v1/sessions/:id',
    policy: 'sessions.read',
    tag: TAG,
    whose: "A session's",
    read: (...asked) => sessions.events(...asked),
  });
  addControls(app, sessions);
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

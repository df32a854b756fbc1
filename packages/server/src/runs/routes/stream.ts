import { newTicket, streamTicket } from '@holdfast/protocol';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { HoldfastError } from '../../kernel/index.ts';
import { type App, idParams } from '../../work/index.ts';
import * as queries from '../queries.ts';
import { cursorNumber, parseCursor, parseSubjects } from '../stream/cursor.ts';
import type { StreamDeps, StreamPlan, Streams } from '../stream/streams.ts';
import { dursorInitial, dursorView, manyView, runView } from '../stream/views.ts';

const TAGS = ['streams'];
const CURSOR_MAX_CHARS = 1024;
const common = {
  last_event_id: z
    .string()
    .max(CURSOR_MAX_CHARS)
    .optional()
    .describe('Where to go on; the header Last-Event-ID beats it.'),
  ticket: z.string().max(100).optional().describe('Instead of a header: `st_…`.'),
};
const runQuery = z.object({
  ...common,
  format: z.enum(['holdfast', 'dursor']).default('holdfast'),
});
const manyQuery = z.object({
  ...common,
  subjects: z.string().max(4096).describe('`run_…:7,run_…:0`: each with the last event known.'),
});
const DESCRIPTION =
  'Server-sent events, in order and without gaps, first what is there and then what comes. ' +
  'Ends with the terminal event; 204 once that was received. The server ends the response from ' +
  'time to time; clients go on with `Last-Event-ID`.';

export function addStreamRoutes(app: App, streams: Streams, deps: StreamDeps): void {
  app.get(
    '/v1/runs/:id/stream',
    {
      exposeHeadRoute: false,
      config: { policy: 'streams.read' },
      schema: {
        tags: TAGS,
        summary: 'Follow a run; `id` is the exact number of the event',
        description: DESCRIPTION,
        params: idParams,
        querystring: runQuery,
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const subject = await streams.subject(request.principal, id);
      if (subject.kind !== 'run') throw new HoldfastError('not_found', 'This is no run.');
      const cursor = cursorOf(request, request.query.last_event_id);
      const position = cursor === undefined ? 0 : cursorNumber(cursor.text, cursor.field);
      const positions = new Map([[id, position]]);
      const known = new Map([[id, subject]]);
      const plan: StreamPlan =
        request.query.format === 'dursor'
          ? { positions, known, view: () => dursorView, greeting: await greeting(deps, id) }
          : { positions, known, view: () => runView };
      return streams.answer(request, reply, plan);
    },
  );
  addMany(app, streams);
  addTickets(app, streams, deps);
}

async function greeting({ database }: StreamDeps, id: string): Promise<string> {
  const status = await queries.findRunStatus(database.db, id);
  if (status === undefined) throw new HoldfastError('not_found', 'This is no run.');
  return dursorInitial(status);
}

function addMany(app: App, streams: Streams): void {
  app.get(
    '/v1/stream',
    {
      exposeHeadRoute: false,
      config: { policy: 'streams.read' },
      schema: {
        tags: TAGS,
        summary: 'Follow several logs at once; `id` says where each stands',
        description: DESCRIPTION,
        querystring: manyQuery,
      },
    },
    async (request, reply) => {
      const subjects = parseSubjects(request.query.subjects);
      const cursor = cursorOf(request, request.query.last_event_id);
      const positions =
        cursor === undefined ? subjects : parseCursor(cursor.text, subjects, cursor.field);
      return streams.answer(request, reply, { positions, view: manyView });
    },
  );
}

function addTickets(app: App, streams: Streams, deps: StreamDeps): void {
  app.post(
    '/v1/stream/tickets',
    {
      config: { policy: 'runs.read' },
      schema: {
        tags: TAGS,
        summary: 'A credential of 15 minutes for EventSource, for these subjects only',
        body: newTicket,
        response: { 201: streamTicket },
      },
    },
    async (request, reply) => {
      const { principal } = request;
      for (const id of request.body.subjects) await streams.subject(principal, id);
      const { value, expiresAt } = await deps.tickets.mint(principal, request.body.subjects);
      return reply
        .status(201)
        .header('cache-control', 'no-store')
        .send({ ticket: value, expires_at: expiresAt.toISOString() });
    },
  );
}

/** The header is newer than the URL, which a browser repeats as it was first given. */
function cursorOf(
  request: Pick<FastifyRequest, 'headers'>,
  query: string | undefined,
): { readonly text: string; readonly field: string } | undefined {
  const header = request.headers['last-event-id'];
  if (typeof header === 'string' && header !== '') {
    return { text: header.slice(0, CURSOR_MAX_CHARS + 1), field: 'last-event-id' };
  }
  if (query === undefined || query === '') return undefined;
  return { text: query, field: 'last_event_id' };
}

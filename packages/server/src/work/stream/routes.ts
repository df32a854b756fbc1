import { newTicket, streamTicket } from '@holdfast/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { StreamTickets } from '../../auth/index.ts';
import { HoldfastError } from '../../kernel/index.ts';
import type { Kind, Kinds } from '../kinds.ts';
import type { App } from '../requests.ts';
import { cursorNumber, parseCursor, parseSubjects } from './cursor.ts';
import type { Streams } from './streams.ts';
import { manyView, singleView, type View } from './writer.ts';

const TAGS = ['streams'];
const CURSOR_MAX_CHARS = 1024;

/** What every stream's URL may carry. */
export const streamQuery = z.object({
  last_event_id: z
    .string()
    .max(CURSOR_MAX_CHARS)
    .optional()
    .describe('Where to go on; the header Last-Event-ID beats it.'),
  ticket: z.string().max(100).optional().describe('Instead of a header: `st_…`.'),
});
const manyQuery = streamQuery.extend({
  subjects: z.string().max(4096).describe('`run_…:7,run_…:0`: each with the last event known.'),
});

export const STREAM_DESCRIPTION =
  'Server-sent events, in order and without gaps, first what is there and then what comes. ' +
  'Ends with the terminal event; 204 once that was received. The server ends the response from ' +
  'time to time; clients go on with `Last-Event-ID`.';

/** How one subject is streamed. */
export interface SingleStream {
  readonly id: string;
  /** Answers 404 for a subject of another kind. */
  readonly kind: Kind;
  /** Default: one with the exact number of each event. */
  readonly view?: View;
  /** Makes what is sent first, without an `id`; called once the reader may read. */
  readonly greeting?: () => Promise<string>;
}

/** Answers a request for the stream of one subject; `id` is the number of the event. */
export async function streamOne(
  streams: Streams,
  request: FastifyRequest<{ Querystring: z.infer<typeof streamQuery> }>,
  reply: FastifyReply,
  { id, kind, view = singleView, greeting }: SingleStream,
): Promise<unknown> {
  const subject = await streams.subject(request.principal, id);
  if (subject.kind !== kind.name) {
    throw new HoldfastError('not_found', `This is no ${kind.name}.`);
  }
  const cursor = cursorOf(request, request.query.last_event_id);
  const position = cursor === undefined ? 0 : cursorNumber(cursor.text, cursor.field);
  return streams.answer(request, reply, {
    positions: new Map([[id, position]]),
    known: new Map([[id, subject]]),
    view: () => view,
    ...(greeting && { greeting: await greeting() }),
  });
}

export function addStreamRoutes(
  app: App,
  streams: Streams,
  { kinds, tickets }: { readonly kinds: Kinds; readonly tickets: Pick<StreamTickets, 'mint'> },
): void {
  app.get(
    '/v1/stream',
    {
      exposeHeadRoute: false,
      config: { policy: 'streams.read' },
      schema: {
        tags: TAGS,
        summary: 'Follow several logs at once; `id` holds the position of each',
        description: STREAM_DESCRIPTION,
        querystring: manyQuery,
      },
    },
    async (request, reply) => {
      const subjects = parseSubjects(request.query.subjects, kinds);
      const cursor = cursorOf(request, request.query.last_event_id);
      const positions =
        cursor === undefined ? subjects : parseCursor(cursor.text, subjects, cursor.field);
      return streams.answer(request, reply, { positions, view: manyView });
    },
  );
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
      const { value, expiresAt } = await tickets.mint(principal, request.body.subjects);
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

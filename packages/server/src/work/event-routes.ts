import { type EventEnvelope, eventEnvelope, eventListQuery } from '@holdfast/protocol';
import { z } from 'zod';
import type { Caller } from './access.ts';
import { type App, callerOf, idParams } from './requests.ts';

export interface EventsOf {
  /** Of one piece of work, with its `:id`. */
  readonly path: string;
  readonly policy: string;
  readonly tag: string;
  /** As the reference calls it: "A run's". */
  readonly whose: string;
  /** Authorises the caller; reads events after `after`, oldest first. */
  read(
    caller: Caller,
    id: string,
    page: { readonly after: number; readonly limit: number },
  ): Promise<EventEnvelope[]>;
}

/** `GET …/:id/events`: pages of a log. */
export function addEventsRoute(app: App, { path, policy, tag, whose, read }: EventsOf): void {
  app.get(
    `${path}/events`,
    {
      config: { policy },
      schema: {
        tags: [tag],
        summary: `${whose} log, oldest first`,
        description: 'Private fields are shown to the creator and to Admins. Never any audio.',
        params: idParams,
        querystring: eventListQuery,
        response: {
          200: z.object({ data: z.array(eventEnvelope), next_cursor: z.string().nullable() }),
        },
      },
    },
    async request => {
      const data = await read(callerOf(request), request.params.id, request.query);
      // A log may still grow, so a page with events always has a cursor.
      return { data, next_cursor: data.length === 0 ? null : String(data.at(-1)!.seq) };
    },
  );
}

import { z } from 'zod';
import type { Database } from '../../platform/database/index.ts';
import { type App, idParams } from '../../work/index.ts';
import {
  STREAM_DESCRIPTION,
  type Streams,
  streamOne,
  streamQuery,
} from '../../work/stream/index.ts';
import { RUN_KIND } from '../kind.ts';
import { legacyGreeting, legacyView } from '../legacy-view.ts';
import { findRunStatus } from '../queries.ts';

const runQuery = streamQuery.extend({
  format: z.enum(['holdfast', 'dursor']).default('holdfast'),
});

export function addRunStream(
  app: App,
  { streams, database }: { readonly streams: Streams; readonly database: Database },
): void {
  app.get(
    '/v1/runs/:id/stream',
    {
      exposeHeadRoute: false,
      config: { policy: 'streams.read' },
      schema: {
        tags: ['streams'],
        summary: 'Follow a run; `id` is the exact number of the event',
        description: STREAM_DESCRIPTION,
        params: idParams,
        querystring: runQuery,
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const run = { id, kind: RUN_KIND };
      if (request.query.format === 'holdfast') return streamOne(streams, request, reply, run);
      return streamOne(streams, request, reply, {
        ...run,
        view: legacyView,
        greeting: async () => legacyGreeting((await findRunStatus(database.db, id))!),
      });
    },
  );
}

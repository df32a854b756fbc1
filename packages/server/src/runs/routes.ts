import {
  agentList,
  artifactPage,
  listQuery,
  run,
  runPage,
  runStatus,
  startedRuns,
} from '@holdfast/protocol';
import { z } from 'zod';
import {
  type App,
  addEventsRoute,
  callerOf,
  creatorOf,
  IDEMPOTENT,
  idParams,
} from '../work/index.ts';
import { STREAM_DESCRIPTION, streamOne, streamQuery } from '../work/stream/index.ts';
import type { RunsDeps } from './deps.ts';
import { legacyGreeting, legacyView } from './legacy-view.ts';
import { findRunStatus } from './queries.ts';
import { RUN_KIND } from './run.ts';
import type { RunsService } from './service.ts';

const TAG = 'runs';
const TAGS = [TAG];
const runListQuery = listQuery.extend({ status: runStatus.optional() });
const runStreamQuery = streamQuery.extend({
  format: z.enum(['holdfast', 'dursor']).default('holdfast'),
});

export function addRunRoutes(app: App, runs: RunsService): void {
  app.get(
    '/v1/runs',
    {
      config: { policy: 'runs.read' },
      schema: {
        tags: TAGS,
        summary: 'Runs of the project, newest first',
        querystring: runListQuery,
        response: { 200: runPage },
      },
    },
    async request => runs.list(callerOf(request), request.query),
  );
  app.get(
    '/v1/runs/:id',
    {
      config: { policy: 'runs.read' },
      schema: { tags: TAGS, summary: 'One run', params: idParams, response: { 200: run } },
    },
    async request => runs.get(callerOf(request), request.params.id),
  );
  addEventsRoute(app, {
    path: '/v1/runs/:id',
    policy: 'runs.read',
    tag: TAG,
    whose: "A run's",
    read: (...asked) => runs.events(...asked),
  });
  addControls(app, runs);
  addResults(app, runs);
}

const CONTROL = { policy: 'runs.control' };

function addControls(app: App, runs: RunsService): void {
  app.post(
    '/v1/runs/:id/cancel',
    {
      config: CONTROL,
      schema: {
        tags: TAGS,
        summary: 'Stop a run and keep its work; twice is no error',
        description: IDEMPOTENT,
        params: idParams,
        response: { 200: run },
      },
    },
    async request => runs.cancel(creatorOf(request), request.params.id),
  );
  app.post(
    '/v1/runs/:id/pick',
    {
      config: CONTROL,
      schema: {
        tags: TAGS,
        summary: 'Choose a run among those of its task',
        description: IDEMPOTENT,
        params: idParams,
        response: { 200: run },
      },
    },
    async request => runs.pick(creatorOf(request), request.params.id),
  );
  app.post(
    '/v1/runs/:id/push',
    {
      config: CONTROL,
      schema: {
        tags: TAGS,
        summary: "Push an ended run's branch to the repository's remote",
        description: `The run's log reports the result as push.finished. ${IDEMPOTENT}`,
        params: idParams,
        response: { 202: run },
      },
    },
    async (request, reply) =>
      reply.status(202).send(await runs.push(creatorOf(request), request.params.id)),
  );
  app.post(
    '/v1/runs/:id/retry',
    {
      config: CONTROL,
      schema: {
        tags: TAGS,
        summary: 'Repeat the work of a run, as a new run',
        description: IDEMPOTENT,
        params: idParams,
        response: { 202: startedRuns },
      },
    },
    async (request, reply) =>
      reply.status(202).send(await runs.retry(creatorOf(request), request.params.id)),
  );
}

function addResults(app: App, runs: RunsService): void {
  app.get(
    '/v1/runs/:id/patch',
    {
      config: { policy: 'runs.read' },
      schema: { tags: TAGS, summary: 'The work as a patch (text/x-diff)', params: idParams },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { body, sizeBytes } = await runs.patch(callerOf(request), id);
      return reply
        .header('content-type', 'text/x-diff; charset=utf-8')
        .header('content-length', sizeBytes)
        .header('content-disposition', `attachment; filename="${id}.patch"`)
        .header('cache-control', 'no-store')
        .send(body);
    },
  );
  app.get(
    '/v1/runs/:id/logs',
    {
      config: { policy: 'runs.private' },
      schema: { tags: TAGS, summary: 'What agent and tools wrote, as text', params: idParams },
    },
    async (request, reply) => {
      const { id } = request.params;
      const text = await runs.logs(callerOf(request), id);
      return reply
        .header('content-type', 'text/plain; charset=utf-8')
        .header('content-disposition', `attachment; filename="${id}.log"`)
        .header('cache-control', 'no-store')
        .send(text);
    },
  );
  app.get(
    '/v1/runs/:id/artifacts',
    {
      config: { policy: 'runs.read' },
      schema: {
        tags: TAGS,
        summary: 'What a run left in storage',
        params: idParams,
        response: { 200: artifactPage },
      },
    },
    async request => {
      const data = await runs.artifacts(callerOf(request), request.params.id);
      return { data, next_cursor: null };
    },
  );
}

export function addRunStream(
  app: App,
  { streams, database }: Pick<RunsDeps, 'streams' | 'database'>,
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
        querystring: runStreamQuery,
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

export function addAgentRoutes(app: App, { agents }: Pick<RunsDeps, 'agents'>): void {
  app.get(
    '/v1/agents',
    {
      config: { policy: 'runs.read' },
      schema: { tags: ['agents'], summary: 'Agents of this server', response: { 200: agentList } },
    },
    async () => agents(),
  );
}

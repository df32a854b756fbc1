import { listQuery, newRepo, repo, repoPage, repoPatch } from '@holdfast/protocol';
import { type App, callerOf, creatorOf, IDEMPOTENT, idParams } from '../../work/index.ts';
import type { Repos } from './repos.ts';

const TAGS = ['repositories'];

export function addRepoRoutes(app: App, repos: Repos): void {
  app.post(
    '/v1/repos',
    {
      config: { policy: 'repos.write' },
      schema: {
        tags: TAGS,
        summary: 'Add a repository',
        description: IDEMPOTENT,
        body: newRepo,
        response: { 201: repo },
      },
    },
    async (request, reply) =>
      reply.status(201).send(await repos.create(creatorOf(request), request.body)),
  );
  app.get(
    '/v1/repos',
    {
      config: { policy: 'runs.read' },
      schema: {
        tags: TAGS,
        summary: 'Repositories of the project, newest first',
        querystring: listQuery,
        response: { 200: repoPage },
      },
    },
    async request => repos.list(callerOf(request), request.query),
  );
  addOne(app, repos);
}

function addOne(app: App, repos: Repos): void {
  app.get(
    '/v1/repos/:id',
    {
      config: { policy: 'runs.read' },
      schema: { tags: TAGS, summary: 'One repository', params: idParams, response: { 200: repo } },
    },
    async request => repos.get(callerOf(request), request.params.id),
  );
  app.patch(
    '/v1/repos/:id',
    {
      config: { policy: 'repos.write' },
      schema: {
        tags: TAGS,
        summary: 'Change name, default branch or test command',
        params: idParams,
        body: repoPatch,
        response: { 200: repo },
      },
    },
    async request => repos.update(callerOf(request), request.params.id, request.body),
  );
  app.delete(
    '/v1/repos/:id',
    {
      config: { policy: 'repos.write' },
      schema: {
        tags: TAGS,
        summary: 'Archive a repository: its tasks stay readable',
        params: idParams,
      },
    },
    async (request, reply) => {
      await repos.archive(callerOf(request), request.params.id);
      return reply.status(204).send();
    },
  );
}

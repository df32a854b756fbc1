import {
  listQuery,
  message,
  messagePage,
  newMessage,
  newRepo,
  newRuns,
  newTask,
  repo,
  repoPage,
  repoPatch,
  runPage,
  startedRuns,
  task,
  taskListQuery,
  taskPage,
  taskTitle,
} from '@holdfast/protocol';
import { z } from 'zod';
import { type App, callerOf, creatorOf, IDEMPOTENT, idParams } from '../../work/index.ts';
import type { RunsService } from '../service.ts';
import type { Repos } from './repos.ts';
import { CHOSEN_COLUMNS } from './task.ts';
import type { Tasks } from './tasks.ts';

const TAGS = ['tasks'];
const taskPatch = z.strictObject({
  title: taskTitle.optional(),
  column: z.enum(CHOSEN_COLUMNS).nullable().optional().describe('Null: as its runs stand.'),
});

export function addRepoRoutes(app: App, repos: Repos): void {
  app.post(
    '/v1/repos',
    {
      config: { policy: 'repos.write' },
      schema: {
        tags: ['repositories'],
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
        tags: ['repositories'],
        summary: 'Repositories of the project, newest first',
        querystring: listQuery,
        response: { 200: repoPage },
      },
    },
    async request => repos.list(callerOf(request), request.query),
  );
  app.get(
    '/v1/repos/:id',
    {
      config: { policy: 'runs.read' },
      schema: {
        tags: ['repositories'],
        summary: 'One repository',
        params: idParams,
        response: { 200: repo },
      },
    },
    async request => repos.get(callerOf(request), request.params.id),
  );
  addRepoChanges(app, repos);
}

function addRepoChanges(app: App, repos: Repos): void {
  app.patch(
    '/v1/repos/:id',
    {
      config: { policy: 'repos.control' },
      schema: {
        tags: ['repositories'],
        summary: 'Change name, default branch, test command, or what may be pushed',
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
      config: { policy: 'repos.control' },
      schema: {
        tags: ['repositories'],
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

export function addTaskRoutes(app: App, tasks: Tasks, runs: RunsService): void {
  app.post(
    '/v1/tasks',
    {
      config: { policy: 'runs.write' },
      schema: {
        tags: TAGS,
        summary: 'Create a task with its first message',
        description: IDEMPOTENT,
        body: newTask,
        response: { 201: task },
      },
    },
    async (request, reply) =>
      reply.status(201).send(await tasks.create(creatorOf(request), request.body)),
  );
  app.get(
    '/v1/tasks',
    {
      config: { policy: 'runs.read' },
      schema: {
        tags: TAGS,
        summary: 'Tasks of the project, newest first',
        querystring: taskListQuery,
        response: { 200: taskPage },
      },
    },
    async request => tasks.list(callerOf(request), request.query),
  );
  app.get(
    '/v1/tasks/:id',
    {
      config: { policy: 'runs.read' },
      schema: { tags: TAGS, summary: 'One task', params: idParams, response: { 200: task } },
    },
    async request => tasks.get(callerOf(request), request.params.id),
  );
  app.patch(
    '/v1/tasks/:id',
    {
      config: { policy: 'runs.control' },
      schema: {
        tags: TAGS,
        summary: 'Change the title, or choose a column',
        params: idParams,
        body: taskPatch,
        response: { 200: task },
      },
    },
    async request => tasks.update(callerOf(request), request.params.id, request.body),
  );
  addMessages(app, tasks);
  addRuns(app, runs);
}

function addMessages(app: App, tasks: Tasks): void {
  app.get(
    '/v1/tasks/:id/messages',
    {
      config: { policy: 'runs.read' },
      schema: {
        tags: TAGS,
        summary: 'Messages of a task, oldest first',
        description: 'Instructions are shown to their authors and to Admins.',
        params: idParams,
        querystring: listQuery,
        response: { 200: messagePage },
      },
    },
    async request => tasks.messages(callerOf(request), request.params.id, request.query),
  );
  app.post(
    '/v1/tasks/:id/messages',
    {
      config: { policy: 'runs.control' },
      schema: {
        tags: TAGS,
        summary: 'Add a message: for the agents at work, or for the next run',
        description: IDEMPOTENT,
        params: idParams,
        body: newMessage,
        response: { 201: message },
      },
    },
    async (request, reply) => {
      const { instruction } = request.body;
      const caller = creatorOf(request);
      return reply.status(201).send(await tasks.addMessage(caller, request.params.id, instruction));
    },
  );
}

function addRuns(app: App, runs: RunsService): void {
  app.get(
    '/v1/tasks/:id/runs',
    {
      config: { policy: 'runs.read' },
      schema: {
        tags: TAGS,
        summary: 'Runs of a task, newest first',
        params: idParams,
        querystring: listQuery,
        response: { 200: runPage },
      },
    },
    async request => {
      const { params, query } = request;
      return runs.list(callerOf(request), { ...query, taskId: params.id });
    },
  );
  app.post(
    '/v1/tasks/:id/runs',
    {
      config: { policy: 'runs.control' },
      schema: {
        tags: TAGS,
        summary: 'Start a run for each agent, side by side',
        description: IDEMPOTENT,
        params: idParams,
        body: newRuns,
        response: { 202: startedRuns },
      },
    },
    async (request, reply) =>
      reply.status(202).send(await runs.start(creatorOf(request), request.params.id, request.body)),
  );
}

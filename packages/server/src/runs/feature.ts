import type { FastifyPluginAsync } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Component } from '../kernel/index.ts';
import type { Queue } from '../platform/queue/index.ts';
import { sweepIdempotencyKeys } from '../work/index.ts';
import * as queries from './queries.ts';
import { sweepRetired } from './retention.ts';
import { addQueueRoutes } from './routes/queue.ts';
import { addStreamRoutes } from './routes/stream.ts';
import { addRunRoutes } from './routes.ts';
import { isFinal } from './run.ts';
import { createRunDriver, type RunDriver } from './run-driver.ts';
import { createRunsService, type RunsService, type RunsServiceDeps } from './service.ts';
import { type StreamDeps, Streams } from './stream/streams.ts';
import { addRepoRoutes } from './tasks/repo-routes.ts';
import { createRepos, type Repos } from './tasks/repos.ts';
import type { SourceChecks } from './tasks/repository-source.ts';
import { addTaskRoutes } from './tasks/routes.ts';
import { createTasks, type Tasks } from './tasks/tasks.ts';
import type { Workspaces } from './workspace/workspace.ts';

/** Everything the feature needs from outside; compose provides it. */
export interface RunsDeps extends RunsServiceDeps, StreamDeps {
  readonly queue: Queue;
  /** Days that ended runs are kept; null or left out: for ever. */
  readonly retentionDays?: number | null;
  /** Which repositories may be added: local mode, allowed hosts. */
  readonly sources: SourceChecks;
  /** Reaches a repository before it is stored; left out: it is taken as it is. */
  readonly inspect?: Workspaces['inspect'] | undefined;
}

export interface Runs {
  readonly repos: Repos;
  readonly tasks: Tasks;
  readonly runs: RunsService;
  /** For the worker. */
  readonly driver: RunDriver;
  readonly streams: Streams;
  /** Ends open streams in a drain; in starting order, before the HTTP server. */
  readonly components: readonly Component[];
  readonly routes: FastifyPluginAsync;
  /** Whether a run waits or works; false for one that was never there. */
  isOpen(id: string): Promise<boolean>;
  /** Deletes what is no longer kept; for the scheduled upkeep. */
  upkeep(): Promise<void>;
}

export function createRuns(deps: RunsDeps): Runs {
  const repos = createRepos(deps);
  const tasks = createTasks(deps);
  const runs = createRunsService(deps);
  const streams = new Streams(deps);
  return {
    repos,
    tasks,
    runs,
    driver: createRunDriver(deps),
    streams,
    components: [streams],
    routes: async plain => {
      const app = plain.withTypeProvider<ZodTypeProvider>();
      addRepoRoutes(app, repos);
      addTaskRoutes(app, tasks, runs);
      addRunRoutes(app, runs);
      addStreamRoutes(app, streams, deps);
      addQueueRoutes(app, deps);
    },
    async isOpen(id) {
      const row = await queries.findRun(deps.database.db, id);
      return row !== undefined && !isFinal(row.status);
    },
    async upkeep() {
      await sweepIdempotencyKeys(deps.database.db);
      await sweepRetired(deps);
    },
  };
}

import type { FastifyPluginAsync } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Queue } from '../platform/queue/index.ts';
import { sweepIdempotencyKeys } from '../work/index.ts';
import type { Streams } from '../work/stream/index.ts';
import * as queries from './queries.ts';
import { sweepRetired } from './retention.ts';
import { addAgentRoutes } from './routes/agents.ts';
import { addRunStream } from './routes/stream.ts';
import { addRunRoutes } from './routes.ts';
import { isFinal } from './run.ts';
import { createRunDriver, type RunDriver } from './run-driver.ts';
import { createRunsService, type RunsService, type RunsServiceDeps } from './service.ts';
import { addRepoRoutes } from './tasks/repo-routes.ts';
import { createRepos, type Repos } from './tasks/repos.ts';
import type { SourceChecks } from './tasks/repository-source.ts';
import { addTaskRoutes } from './tasks/routes.ts';
import { createTasks, type Tasks } from './tasks/tasks.ts';
import type { Workspaces } from './workspace/workspace.ts';

/** Everything the feature needs from outside; compose provides it. */
export interface RunsDeps extends RunsServiceDeps {
  readonly streams: Streams;
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
  return {
    repos,
    tasks,
    runs,
    driver: createRunDriver(deps),
    routes: async plain => {
      const app = plain.withTypeProvider<ZodTypeProvider>();
      addRepoRoutes(app, repos);
      addTaskRoutes(app, tasks, runs);
      addRunRoutes(app, runs);
      addRunStream(app, deps);
      addAgentRoutes(app, deps);
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

import type { FastifyPluginAsync } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Component } from '../kernel/index.ts';
import type { RunsDeps } from './deps.ts';
import * as queries from './queries.ts';
import { eraseRunsAgain, sweepRetired } from './retention.ts';
import { addAgentRoutes, addRunRoutes, addRunStream } from './routes.ts';
import { isFinal } from './run.ts';
import { RunDriver } from './run-driver.ts';
import { RunsService } from './service.ts';
import { Repos } from './tasks/repos.ts';
import { addRepoRoutes, addTaskRoutes } from './tasks/routes.ts';
import { Tasks } from './tasks/tasks.ts';

export interface Runs {
  readonly repos: Repos;
  readonly tasks: Tasks;
  readonly runs: RunsService;
  /** For the worker. */
  readonly driver: RunDriver;
  readonly routes: FastifyPluginAsync;
  /** Starts before anything is served. */
  readonly erasures: Component;
  /** Whether a run waits or works; false for an unknown one. */
  isOpen(id: string): Promise<boolean>;
  /** Those of the runs that are not erased. */
  keptOf(ids: readonly string[]): Promise<ReadonlySet<string>>;
  /** Deletes runs and checkpoints past their retention; for the scheduled upkeep. */
  upkeep(): Promise<void>;
}

export function createRuns(deps: RunsDeps): Runs {
  const repos = new Repos(deps);
  const tasks = new Tasks(deps);
  const runs = new RunsService(deps);
  return {
    repos,
    tasks,
    runs,
    driver: new RunDriver(deps),
    routes: async plain => {
      const app = plain.withTypeProvider<ZodTypeProvider>();
      addRepoRoutes(app, repos);
      addTaskRoutes(app, tasks, runs);
      addRunRoutes(app, runs);
      addRunStream(app, deps);
      addAgentRoutes(app, deps);
    },
    erasures: eraseRunsAgain(deps),
    async isOpen(id) {
      const row = await queries.findRun(deps.database.db, id);
      return row !== undefined && !isFinal(row.status);
    },
    keptOf: ids => queries.keptOf(deps.database.db, ids),
    upkeep: () => sweepRetired(deps),
  };
}

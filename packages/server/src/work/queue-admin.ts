import { type QueueInfo, queueInfo } from '@holdfast/protocol';
import { z } from 'zod';
import type { Principal } from '../auth/index.ts';
import type { Database } from '../platform/database/index.ts';
import type { DeadLetter, Queue } from '../platform/queue/index.ts';
import { type AuditDeps, recordAdmin } from './access.ts';
import type { KindQueue, Kinds } from './kinds.ts';
import { liveWorkers, subjectsOf } from './queries.ts';
import { type App, callerOf } from './requests.ts';

/**
 * Administration of the queues of all kinds: waiting jobs, workers, dead letters. Dead
 * letters are shown and put back by project, which their subject's row names.
 */
const DEAD_LETTERS_SHOWN = 100;
const WORKERS_SHOWN = 100;
const REDRIVE_BATCH = 1_000;
const REDRIVE_ROUNDS_MAX = 100;

export interface QueueAdminDeps extends AuditDeps {
  readonly database: Database;
  readonly queue: Queue;
  readonly kinds: Kinds;
}

const TAGS = ['queue'];
const redriveBody = z.strictObject({ job_id: z.uuid().optional().describe('Left out: all.') });
const redriven = z.object({ redriven: z.number().int() });

export function addQueueRoutes(app: App, deps: QueueAdminDeps): void {
  app.get(
    '/v1/queue',
    {
      config: { policy: 'queue.read' },
      schema: {
        tags: TAGS,
        summary: 'Queues, workers and dead letters',
        description: 'Dead letters of the own project.',
        response: { 200: queueInfo },
      },
    },
    async request => overview(deps, request.principal),
  );
  app.post(
    '/v1/queue/redrive',
    {
      config: { policy: 'queue.manage' },
      schema: {
        tags: TAGS,
        summary: 'Put dead letters back into their queue',
        description: 'Dead letters of the own project.',
        body: redriveBody,
        response: { 200: redriven },
      },
    },
    async request => {
      const { job_id: jobId } = request.body;
      const caller = callerOf(request);
      // It concerns the work of the whole project.
      const act = { caller, action: 'queue.redrive', target: jobId ?? 'all' };
      await recordAdmin(deps.audit, 'admin', act);
      return { redriven: await redrive(deps, caller.principal.projectId, jobId) };
    },
  );
}

async function overview(deps: QueueAdminDeps, { projectId }: Principal): Promise<QueueInfo> {
  const { database, queue, kinds } = deps;
  const driven = kinds.all().filter(kind => kind.queues.length > 0);
  const letters: QueueInfo['dead_letters'] = [];
  for (const { queues } of driven) {
    const [main] = queues;
    const found = await lettersOf(deps, main!, { projectId, limit: DEAD_LETTERS_SHOWN });
    for (const { jobId, data, failedAt } of found) {
      letters.push({
        job_id: jobId,
        run_id: data[main!.subjectKey] ?? null,
        failed_at: failedAt?.toISOString() ?? null,
      });
    }
  }
  return {
    queues: await queue.depth(),
    workers: await liveWorkers(database.db, {
      kinds: driven.map(kind => kind.name),
      limit: WORKERS_SHOWN,
    }),
    dead_letters: letters,
  };
}

/**
 * Puts dead letters of one project back, all of them without `jobId`; answers how many. A letter of
 * another project is left alone, and the answer is the same as for one that does not exist.
 */
async function redrive(
  deps: QueueAdminDeps,
  projectId: string,
  jobId: string | undefined,
): Promise<number> {
  let moved = 0;
  for (const one of deps.kinds.queues()) {
    for (let round = 0; round < REDRIVE_ROUNDS_MAX; round += 1) {
      const letters = await lettersOf(deps, one, { projectId, jobId, limit: REDRIVE_BATCH });
      const ids = letters.map(letter => letter.jobId);
      moved += await deps.queue.redrive(one.name, ids);
      if (ids.length < REDRIVE_BATCH) break;
    }
  }
  return moved;
}

/** Dead letters about work of one project, newest first. */
async function lettersOf(
  { queue, database }: QueueAdminDeps,
  { name, subjectKey }: KindQueue,
  query: {
    readonly projectId: string;
    readonly limit: number;
    readonly jobId?: string | undefined;
  },
): Promise<DeadLetter[]> {
  const { projectId, limit, jobId } = query;
  const among = subjectsOf(database.db, projectId);
  return queue.deadLetters(name, { limit, jobId, naming: { key: subjectKey, among } });
}

import { agentList, queueInfo } from '@holdfast/protocol';
import { z } from 'zod';
import { type App, type Caller, callerOf, recordAdmin } from '../../work/index.ts';
import type { RunsDeps } from '../feature.ts';
import { queueOverview, redriveLetters } from '../queue-overview.ts';

const TAGS = ['queue'];
const redriveBody = z.strictObject({ job_id: z.uuid().optional().describe('Left out: all.') });
const redriven = z.object({ redriven: z.number().int() });

export function addQueueRoutes(app: App, deps: RunsDeps): void {
  app.get(
    '/v1/agents',
    {
      config: { policy: 'runs.read' },
      schema: { tags: ['agents'], summary: 'Agents of this server', response: { 200: agentList } },
    },
    async () => deps.agents(),
  );
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
    async request => queueOverview(deps, request.principal),
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
    async request => redrive(deps, callerOf(request), request.body.job_id),
  );
}

/** Put on record: it concerns the work of everybody in the project. */
async function redrive(deps: RunsDeps, caller: Caller, jobId: string | undefined) {
  const act = { caller, action: 'queue.redrive', target: jobId ?? 'all' };
  await recordAdmin(deps.audit, 'admin', act);
  return { redriven: await redriveLetters(deps, caller.principal.projectId, jobId) };
}

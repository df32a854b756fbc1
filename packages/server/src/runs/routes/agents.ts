import { agentList } from '@holdfast/protocol';
import type { App } from '../../work/index.ts';
import type { RunsServiceDeps } from '../deps.ts';

export function addAgentRoutes(app: App, { agents }: Pick<RunsServiceDeps, 'agents'>): void {
  app.get(
    '/v1/agents',
    {
      config: { policy: 'runs.read' },
      schema: { tags: ['agents'], summary: 'Agents of this server', response: { 200: agentList } },
    },
    async () => agents(),
  );
}

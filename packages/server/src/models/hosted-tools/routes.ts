import { hostedTools } from '@holdfast/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { HostedToolsPolicy } from './hosted-tools.ts';

const TAGS = ['hosted tools'];

/** `GET` and `PUT /v1/hosted-tools`: what providers may do themselves for the caller's project. */
export function hostedToolsRoutes(policy: HostedToolsPolicy): FastifyPluginAsyncZod {
  return async app => {
    app.get(
      '/v1/hosted-tools',
      {
        config: { policy: 'hosted_tools.read' },
        schema: {
          tags: TAGS,
          summary: 'What providers of models may do themselves for the project',
          response: { 200: hostedTools },
        },
      },
      async request => policy.read(request.principal),
    );
    app.put(
      '/v1/hosted-tools',
      {
        config: { policy: 'hosted_tools.manage' },
        schema: {
          tags: TAGS,
          summary: 'Allow these, and no others',
          body: hostedTools,
          response: { 200: hostedTools },
        },
      },
      async request => policy.put(request.principal, request.body, request.id),
    );
  };
}

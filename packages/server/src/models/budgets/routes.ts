import { budget, budgetList, newBudget } from '@holdfast/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Budgets } from './budgets.ts';

const TAGS = ['budgets'];

/** `GET`, `PUT /v1/budgets` and `DELETE /v1/budgets/{id}`: the caller's project's limits. */
export function budgetRoutes(budgets: Budgets): FastifyPluginAsyncZod {
  return async app => {
    app.get(
      '/v1/budgets',
      {
        config: { policy: 'budgets.read' },
        schema: {
          tags: TAGS,
          summary: "The project's budgets, with what is spent so far",
          response: { 200: budgetList },
        },
      },
      async request => ({ data: await budgets.list(request.principal) }),
    );
    app.put(
      '/v1/budgets',
      {
        config: { policy: 'budgets.manage' },
        schema: {
          tags: TAGS,
          summary: 'Set the limit of a scope',
          body: newBudget,
          response: { 200: budget },
        },
      },
      async request => budgets.put(request.principal, request.body, request.id),
    );
    app.delete(
      '/v1/budgets/:id',
      {
        config: { policy: 'budgets.manage' },
        schema: {
          tags: TAGS,
          summary: 'Remove a budget',
          params: z.object({ id: z.string().max(64) }),
        },
      },
      async (request, reply) => {
        await budgets.remove(request.principal, request.params.id, request.id);
        return reply.status(204).send();
      },
    );
  };
}

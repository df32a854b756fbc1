import { budget, budgetList, newBudget } from '@holdfast/protocol';
import type { FastifyInstance } from 'fastify';
import type { FastifyPluginAsyncZod, ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Budgets } from './budgets.ts';

const TAGS = ['budgets'];

/** `GET`, `PUT /v1/budgets` and `DELETE /v1/budgets/{id}`: the caller's project's limits. */
export function budgetRoutes(budgets: Budgets): FastifyPluginAsyncZod {
  return async app => {
    addList(app, budgets);
    addPut(app, budgets);
    addRemove(app, budgets);
  };
}

function addList(plain: FastifyInstance, budgets: Budgets): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();
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
}

function addPut(plain: FastifyInstance, budgets: Budgets): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();
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
}

function addRemove(plain: FastifyInstance, budgets: Budgets): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();
  app.delete(
    '/v1/budgets/:id',
    {
      config: { policy: 'budgets.manage' },
      schema: {
        tags: TAGS,
        summary: 'Take a budget away',
        params: z.object({ id: z.string().max(64) }),
      },
    },
    async (request, reply) => {
      await budgets.remove(request.principal, request.params.id, request.id);
      return reply.status(204).send();
    },
  );
}

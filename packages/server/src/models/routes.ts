import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Clock } from '../kernel/index.ts';
import { PROTOCOLS, price } from './catalogue.ts';
import type { Models } from './models.ts';
import { currentPrice, dayOf } from './prices.ts';

const modelList = z.object({
  object: z.literal('list'),
  data: z.array(
    z.object({
      id: z.string(),
      object: z.literal('model'),
      created: z.number().int(),
      owned_by: z.string(),
      shutdown_date: z.string().nullable().describe('When its provider has announced its end.'),
      holdfast: z.object({
        aliases: z.array(z.string()),
        protocols: z.array(z.string()),
        default: z.boolean(),
        price: price
          .nullable()
          .describe('In US dollars, today; null: unknown. `checked` says how old a list it is of.'),
      }),
    }),
  ),
});

const modelQuery = z.object({
  protocol: z.enum(PROTOCOLS).default('realtime').describe('Only models with this protocol.'),
});

const PATHS = ['/v1/models', '/openai/v1/models'];

/** `GET /v1/models`, and Azure's, in OpenAI's list shape. `created` is always 0. */
export function modelsRoutes(models: Models, clock: Clock): FastifyPluginAsyncZod {
  return async app => {
    for (const path of PATHS) {
      app.get(
        path,
        {
          config: { policy: 'models.list', errors: 'openai' },
          schema: {
            tags: ['models'],
            summary: 'List the models that may be requested',
            querystring: modelQuery,
            response: { 200: modelList },
          },
        },
        async request => {
          const listed = models.list.filter(model =>
            model.protocols.includes(request.query.protocol),
          );
          const today = dayOf(clock.nowMs());
          return {
            object: 'list' as const,
            data: listed.map(model => ({
              id: model.id,
              object: 'model' as const,
              created: 0,
              owned_by: 'holdfast',
              shutdown_date: model.shutdown_date ?? null,
              holdfast: {
                aliases: model.aliases,
                protocols: model.protocols,
                default: model.id === models.defaultModel.id,
                price: currentPrice(model.prices, today) ?? null,
              },
            })),
          };
        },
      );
    }
  };
}

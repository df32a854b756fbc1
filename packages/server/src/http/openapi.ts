import swagger from '@fastify/swagger';
import { problem } from '@holdfast/protocol';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';

export interface ApiInfo {
  readonly title: string;
  readonly version: string;
  readonly description?: string;
}

/** Collects the routes registered after this into `GET /openapi.json` (OpenAPI 3.1). */
export async function addOpenapi(app: FastifyInstance, info: ApiInfo): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { ...info },
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer' },
          apiKey: { type: 'apiKey', in: 'header', name: 'api-key' },
        },
      },
      security: [{ bearer: [] }, { apiKey: [] }],
    },
    transform: route => {
      const { url } = route;
      const schema = withDefaultAnswer(route.schema ?? {});
      return jsonSchemaTransform({ ...route, schema, url });
    },
  });
  app.get(
    '/openapi.json',
    { config: { policy: 'public.docs', quiet: true }, schema: { hide: true } },
    async () => app.swagger(),
  );
}

/** Every route may answer a problem; said once here instead of in each route's schema. */
function withDefaultAnswer<T extends { response?: unknown }>(schema: T): T {
  const given = (schema.response ?? {}) as Record<string, unknown>;
  return { ...schema, response: { ...given, default: problem.describe('A problem.') } };
}

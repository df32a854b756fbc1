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
      // Every route may answer a problem: added once here instead of to each route's schema.
      const given = (route.schema?.response ?? {}) as Record<string, unknown>;
      const response = { ...given, default: problem.describe('A problem.') };
      return jsonSchemaTransform({ ...route, schema: { ...route.schema, response } });
    },
  });
  app.get(
    '/openapi.json',
    { config: { policy: 'public.docs', quiet: true }, schema: { hide: true } },
    async () => app.swagger(),
  );
}

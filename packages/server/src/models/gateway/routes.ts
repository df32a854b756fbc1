import type { FastifyPluginAsync } from 'fastify';
import { roleIncludes, type Watch } from '../../auth/index.ts';
import type { RoutedModelGateway } from './create-gateway.ts';
import { GATEWAY_LIMITS } from './limits.ts';
import { ROUTE_PATHS, shapeOf } from './paths.ts';

const SUMMARIES: Readonly<Record<string, string>> = {
  '/model/openai/v1/models': 'Text models that speak an OpenAI protocol',
  '/model/openai/v1/responses': "OpenAI's Responses API, streamed or not",
  '/model/openai/v1/chat/completions': "OpenAI's chat completions; streams report their usage",
  '/model/anthropic/v1/messages': "Anthropic's Messages API, streamed or not",
  '/model/anthropic/v1/messages/count_tokens': "Anthropic's token count",
  '/model/gemini/v1beta/models/:target':
    "Gemini's `{model}:generateContent`, `:streamGenerateContent` and `:countTokens`",
};

/**
 * The gateway on the HTTP server: for Developers, and for runs by their tokens. Bodies are neither
 * parsed nor buffered by the server; the gateway reads them within its own bound. A call, which may
 * last for an hour, ends with its caller's right.
 */
export function modelGatewayRoutes(
  gateway: RoutedModelGateway,
  watch: Pick<Watch, 'follow'>,
): FastifyPluginAsync {
  return async app => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', (_request, _payload, done) => done(null));
    for (const { method, url } of ROUTE_PATHS) {
      app.route({
        method,
        url,
        bodyLimit: GATEWAY_LIMITS.maxBodyBytes,
        config: { policy: 'models.call', errors: shapeOf(url) },
        schema: { tags: ['model gateway'], summary: SUMMARIES[url] },
        handler: async (request, reply) => {
          reply.hijack();
          for (const [name, value] of Object.entries(reply.getHeaders())) {
            if (value !== undefined) reply.raw.setHeader(name, value);
          }
          const identify = async (again: boolean) => {
            if (again && request.principal) await request.reauthenticate();
            const { principal } = request;
            return (
              principal && { projectId: principal.projectId, owner: principal.id, runId: null }
            );
          };
          const over = new AbortController();
          const unfollow =
            request.principal &&
            watch.follow(request.principal, role => {
              if (role === null || !roleIncludes(role, 'Developer')) over.abort();
            });
          const exchange = {
            over: over.signal,
            request: request.raw,
            response: reply.raw,
            requestId: request.id,
            url: new URL(request.url, 'http://gateway'),
          };
          await gateway.serve(exchange, identify).finally(unfollow);
        },
      });
    }
  };
}

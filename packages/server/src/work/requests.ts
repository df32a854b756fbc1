import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest, RawServerDefault } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Caller } from './access.ts';
import { idempotencyKey } from './idempotency.ts';

/** Fastify with zod schemas. */
export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

export const idParams = z.object({ id: z.string().max(64) });

type Asked = Pick<
  FastifyRequest,
  'principal' | 'id' | 'trace' | 'headers' | 'method' | 'url' | 'body'
>;

export function callerOf(request: Pick<Asked, 'principal' | 'id' | 'trace'>): Caller {
  const { principal, id: requestId, trace } = request;
  return { principal, requestId, trace };
}

/** The caller of a POST that creates or changes something, with its `Idempotency-Key`. */
export function creatorOf(request: Asked): Caller {
  const { principal, headers, method, url, body } = request;
  const route = `${method} ${url.split('?', 1)[0]}`;
  const header = headers['idempotency-key'];
  const idempotency = idempotencyKey({ header, principal, route, body });
  return { ...callerOf(request), idempotency };
}

export const IDEMPOTENT = 'Honours `Idempotency-Key`: repeated, it answers what it answered first.';

import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { newId } from '../kernel/index.ts';
import {
  incomingContext,
  startTrace,
  type Telemetry,
  type Trace,
} from '../platform/telemetry/index.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The request's span; probes of health and metrics have none. */
    trace?: Trace | undefined;
  }
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

export interface RequestMetrics {
  /** Counts one answer; `endpoint` must be a route pattern, never a raw path. */
  count(method: string, endpoint: string, statusCode: number): void;
  duration(method: string, endpoint: string, seconds: number): void;
}

export function createRequestMetrics(telemetry: Telemetry): RequestMetrics {
  // Descriptions, labels and buckets are declared in `platform/telemetry`.
  const requests = telemetry.meter.createCounter('api_requests_total');
  const durations = telemetry.meter.createHistogram('request_duration_seconds');
  const label = (method: string) => (METHODS.has(method) ? method : 'OTHER');
  return {
    count: (method, endpoint, statusCode) =>
      requests.add(1, { method: label(method), endpoint, status_code: String(statusCode) }),
    duration: (method, endpoint, seconds) =>
      durations.record(seconds, { method: label(method), endpoint }),
  };
}

/** What is counted and logged for a request whose client went away before it was answered. */
const CLIENT_GONE = 499;

/**
 * One span, one access log line and two metrics per request, all by route pattern. They are made
 * when the response is out or its connection gone: Fastify's own hook misses the latter. What is
 * polled all day has no span.
 */
export function observeRequests(
  app: FastifyInstance,
  telemetry: Telemetry,
  metrics: RequestMetrics,
): void {
  app.decorateRequest('trace', undefined);
  app.addHook('onRequest', async (request, reply) => {
    const startedAt = performance.now();
    const route = patternOf(request);
    const quiet = request.routeOptions.config.quiet === true;
    const trace = quiet ? undefined : traceOf(request, route, telemetry);
    request.trace = trace;
    let done = false;
    const end = () => {
      if (done) return;
      done = true;
      const status = reply.raw.writableEnded ? reply.raw.statusCode : CLIENT_GONE;
      const seconds = (performance.now() - startedAt) / 1000;
      trace?.set({ 'http.response.status_code': status });
      trace?.end();
      metrics.count(request.method, route, status);
      metrics.duration(request.method, route, seconds);
      telemetry.log[quiet ? 'debug' : 'info']('http.answered', {
        request_id: request.id,
        ...(trace && { trace_id: trace.traceId }),
        method: request.method,
        route,
        status,
        duration_ms: Math.round(seconds * 10_000) / 10,
      });
    };
    reply.raw.once('finish', end).once('close', end);
  });
}

function traceOf(request: FastifyRequest, route: string, { tracer }: Telemetry): Trace {
  const { method, headers } = request;
  return startTrace(tracer, `${method} ${route}`, {
    parent: incomingContext(headers),
    attributes: { 'http.request.method': method, 'http.route': route },
  });
}

export function patternOf(request: FastifyRequest): string {
  return request.is404 ? 'unmatched' : (request.routeOptions.url ?? 'unmatched');
}

const WELL_FORMED = /^[A-Za-z0-9._-]{1,64}$/;

/** The caller's `x-request-id` when it is well formed, so that logs correlate; else a new one. */
export function requestIdOf(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && WELL_FORMED.test(given) ? given : newId('req');
}

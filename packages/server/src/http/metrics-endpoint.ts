import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FastifyPluginAsync } from 'fastify';
import type { Component } from '../kernel/index.ts';
import type { Telemetry } from '../platform/telemetry/index.ts';

export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** What is exposed: this process's metrics, or those of several. */
export type MetricsSource = Pick<Telemetry, 'prometheus'>;

/** `GET /metrics` on the main port. */
export function metricsRoutes(metrics: MetricsSource): FastifyPluginAsync {
  return async app => {
    app.get(
      '/metrics',
      {
        config: { policy: 'public.metrics', quiet: true },
        schema: { tags: ['health'], summary: 'Prometheus metrics' },
      },
      async (_request, reply) => reply.type(METRICS_CONTENT_TYPE).send(await metrics.prometheus()),
    );
  };
}

export interface MetricsServer extends Component {
  /** The bound port; 0 before `start`. */
  port(): number;
}

/** `GET /metrics` on a port of its own, so that only a scraper's network reaches it. */
export function createMetricsServer(
  metrics: MetricsSource,
  address: { host: string; port: number },
): MetricsServer {
  const server = createServer({ requestTimeout: 10_000 }, (request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    metrics.prometheus().then(
      text => response.writeHead(200, { 'content-type': METRICS_CONTENT_TYPE }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  return {
    name: 'metrics-server',
    port: () => (server.address() as AddressInfo | null)?.port ?? 0,
    async start() {
      server.listen(address.port, address.host);
      await once(server, 'listening');
    },
    async stop() {
      if (!server.listening) return;
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

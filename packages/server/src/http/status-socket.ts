/**
 * Health and metrics of a process that serves no port, for the process beside it: HTTP on a Unix
 * socket in a folder of mode 0700. What is read from there is bounded in time and size, because it
 * is part of an answer of our own.
 */
import { once } from 'node:events';
import { chmod, rm } from 'node:fs/promises';
import { createServer, type RequestListener, request } from 'node:http';
import { type Health, health } from '@holdfast/protocol';
import type { Component } from '../kernel/index.ts';
import type { HealthCheck, HealthRegistry } from './health.ts';
import { STATUS_MAX_BYTES, STATUS_TIMEOUT_MS } from './limits.ts';
import { METRICS_CONTENT_TYPE, type MetricsSource } from './metrics-endpoint.ts';

export interface StatusSocketParts {
  readonly path: string;
  readonly registry: HealthRegistry;
  readonly metrics: MetricsSource;
}

/** Serves `GET /health` and `GET /metrics`. A socket that a killed process left is replaced. */
export function createStatusSocket({ path, registry, metrics }: StatusSocketParts): Component {
  const answers: Record<string, () => Promise<[type: string, body: string]>> = {
    '/health': async () => ['application/json', JSON.stringify(await registry.read())],
    '/metrics': async () => [METRICS_CONTENT_TYPE, await metrics.prometheus()],
  };
  const answer: RequestListener = (incoming, response) => {
    const read = incoming.method === 'GET' ? answers[incoming.url ?? ''] : undefined;
    if (read === undefined) return void response.writeHead(404).end();
    read().then(
      ([type, body]) => response.writeHead(200, { 'content-type': type }).end(body),
      () => response.writeHead(500).end(),
    );
  };
  const server = createServer({ requestTimeout: STATUS_TIMEOUT_MS }, answer);
  return {
    name: 'status socket',
    async start() {
      await rm(path, { force: true });
      server.listen(path);
      await once(server, 'listening');
      await chmod(path, 0o700);
    },
    async stop() {
      if (!server.listening) return;
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/**
 * The process that serves a status socket, as a dependency: its own failures make this process
 * `degraded`, because sessions and the API go on without it.
 */
export function statusSocketHealth(name: string, path: string): HealthCheck {
  return {
    name,
    critical: false,
    check: async () => {
      const theirs: Health = health.parse(JSON.parse(await readStatus(path, '/health')));
      return { status: theirs.status, details: { checks: statusesOf(theirs) } };
    },
  };
}

/** The metrics of the process that serves a status socket; null when it does not answer. */
export function readStatusMetrics(path: string): Promise<string | null> {
  return readStatus(path, '/metrics').catch(() => null);
}

function statusesOf({ checks }: Health): Record<string, string> {
  return Object.fromEntries(Object.entries(checks).map(([name, { status }]) => [name, status]));
}

async function readStatus(socketPath: string, path: string): Promise<string> {
  const signal = AbortSignal.timeout(STATUS_TIMEOUT_MS);
  const asked = request({ socketPath, path, signal, agent: false, headers: { host: 'localhost' } });
  // Without this listener a socket that breaks behind the response would end the process.
  asked.on('error', () => {});
  asked.end();
  const [response] = await once(asked, 'response');
  if (response.statusCode !== 200) throw new Error(`${path} answers ${response.statusCode}.`);
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of response) {
    sizeBytes += chunk.length;
    if (sizeBytes > STATUS_MAX_BYTES) throw new Error(`${path} has too many bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

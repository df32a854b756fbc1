import type { FastifyPluginAsync } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { StreamTickets } from '../auth/index.ts';
import type { Component } from '../kernel/index.ts';
import { sweepIdempotencyKeys } from './idempotency-store.ts';
import { Kinds } from './kinds.ts';
import { addQueueRoutes, type QueueAdminDeps } from './queue-admin.ts';
import { addStreamRoutes, type StreamDeps, Streams } from './stream/index.ts';
import { Sweep } from './sweep.ts';

const KEYS_SWEEP_INTERVAL_MS = 10 * 60_000;

export interface WorkDeps extends Omit<StreamDeps, 'kinds'>, Omit<QueueAdminDeps, 'kinds'> {
  readonly tickets: Pick<StreamTickets, 'mint'>;
}

/** The shared parts that exist once in a process, for all kinds of work. */
export interface Work {
  /** Features add theirs when they are wired, before the components start. */
  readonly kinds: Kinds;
  readonly streams: Streams;
  /** The queue, the streams, which a drain ends, and upkeep. In starting order. */
  readonly components: readonly Component[];
  /** Streams of many logs, tickets, and the administration of queues. */
  readonly routes: FastifyPluginAsync;
}

export function createWork(deps: WorkDeps): Work {
  const kinds = new Kinds();
  const streams = new Streams({ ...deps, kinds });
  const queue: Component = {
    name: 'queue',
    start: () => deps.queue.start(kinds.queues()),
    stop: () => deps.queue.stop(),
  };
  const keySweep = new Sweep({
    name: 'idempotency key sweep',
    intervalMs: KEYS_SWEEP_INTERVAL_MS,
    atStart: true,
    run: () => sweepIdempotencyKeys(deps.database.db),
    onFailure: error => deps.telemetry.log.warn('idempotency.sweep_failed', { error }),
  });
  return {
    kinds,
    streams,
    components: [queue, streams, keySweep],
    routes: async plain => {
      const app = plain.withTypeProvider<ZodTypeProvider>();
      addStreamRoutes(app, streams, { kinds, tickets: deps.tickets });
      addQueueRoutes(app, { ...deps, kinds });
    },
  };
}

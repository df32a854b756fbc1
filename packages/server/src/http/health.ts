import { type Health, type HealthStatus, health } from '@holdfast/protocol';
import type { FastifyInstance } from 'fastify';
import type { FastifyPluginAsyncZod, ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { type Clock, type LifecycleState, within } from '../kernel/index.ts';
import type { Logger } from '../platform/telemetry/index.ts';
import { HEALTH_CACHE_MS, HEALTH_CHECK_TIMEOUT_MS } from './limits.ts';

export interface CheckResult {
  /** Default: `healthy`. */
  readonly status?: HealthStatus;
  readonly message?: string;
  /** Public: no addresses, no names of people, no secrets. */
  readonly details?: Record<string, unknown>;
}

/**
 * One dependency. `check` resolves when it works and throws when it does not; the error is logged,
 * never shown. A critical one that fails makes the whole `unhealthy`, any other `degraded`.
 */
export interface HealthCheck {
  readonly name: string;
  readonly critical: boolean;
  check(): Promise<CheckResult | undefined>;
}

export interface HealthOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly cacheMs?: number;
  readonly timeoutMs?: number;
}

type CheckAnswer = Health['checks'][string];

/** Runs all checks at once, at most once per cache time, however many requests arrive. */
export class HealthRegistry {
  readonly #checks: HealthCheck[] = [];
  readonly #failing = new Set<string>();
  readonly #options: Required<HealthOptions>;
  #latest: { at: number; answer: Promise<Health> } | undefined;

  constructor(options: HealthOptions) {
    this.#options = { cacheMs: HEALTH_CACHE_MS, timeoutMs: HEALTH_CHECK_TIMEOUT_MS, ...options };
  }

  add(check: HealthCheck): void {
    this.#checks.push(check);
  }

  read(): Promise<Health> {
    const now = this.#options.clock.monotonicMs();
    if (this.#latest === undefined || now - this.#latest.at >= this.#options.cacheMs) {
      this.#latest = { at: now, answer: this.#run() };
    }
    return this.#latest.answer;
  }

  async #run(): Promise<Health> {
    const answers = await Promise.all(
      this.#checks.map(async check => ({ check, answer: await this.#one(check) })),
    );
    const failed = answers.filter(({ answer }) => answer.status === 'unhealthy');
    const isHealthy = answers.every(({ answer }) => answer.status === 'healthy');
    const status = isHealthy ? 'healthy' : 'degraded';
    return {
      status: failed.some(({ check }) => check.critical) ? 'unhealthy' : status,
      timestamp: new Date(this.#options.clock.nowMs()).toISOString(),
      checks: Object.fromEntries(answers.map(({ check, answer }) => [check.name, answer])),
    };
  }

  async #one(check: HealthCheck): Promise<CheckAnswer> {
    const { clock, timeoutMs } = this.#options;
    const started = clock.monotonicMs();
    const timed = () => Math.round((clock.monotonicMs() - started) * 10) / 10;
    try {
      const answered = await within(check.check(), timeoutMs, () => {
        throw new Error(`No answer within ${timeoutMs} ms.`);
      });
      const result = answered ?? {};
      this.#note(check, undefined);
      return {
        status: result.status ?? 'healthy',
        message: result.message ?? 'ok',
        response_time_ms: timed(),
        details: result.details ?? null,
      };
    } catch (error) {
      this.#note(check, error);
      return {
        status: 'unhealthy',
        message: 'Does not answer.',
        response_time_ms: timed(),
        details: null,
      };
    }
  }

  /** Logs changes only: a failing dependency is asked again every few seconds. */
  #note(check: HealthCheck, error: unknown): void {
    const was = this.#failing.has(check.name);
    if (error !== undefined && !was) {
      this.#failing.add(check.name);
      this.#options.log.warn('health.failing', { check: check.name, err: error });
    } else if (error === undefined && was) {
      this.#failing.delete(check.name);
      this.#options.log.info('health.recovered', { check: check.name });
    }
  }
}

const CONFIG = { policy: 'public.health', quiet: true } as const;
const TAGS = ['health'];
const probe = z.object({ status: z.string() });

/**
 * `/health` reports on dependencies. `/livez` succeeds while the process answers, `/readyz` while
 * it accepts new work: a load balancer that polls it stops sending once the process drains.
 */
export function healthRoutes(
  registry: HealthRegistry,
  state: () => LifecycleState,
): FastifyPluginAsyncZod {
  return async app => {
    addHealth(app, registry, '/health', false);
    addHealth(app, registry, '/health/', true);
    const schema = { tags: TAGS, response: { 200: probe, 503: probe } };
    app.get(
      '/livez',
      { config: CONFIG, schema: { ...schema, summary: 'Whether the process answers' } },
      async () => ({ status: 'alive' }),
    );
    app.get(
      '/readyz',
      { config: CONFIG, schema: { ...schema, summary: 'Whether the process wants new work' } },
      async (_request, reply) => {
        const now = state();
        reply.header('cache-control', 'no-store');
        return reply.status(now === 'ready' ? 200 : 503).send({ status: now });
      },
    );
  };
}

function addHealth(
  plain: FastifyInstance,
  registry: HealthRegistry,
  url: string,
  hide: boolean,
): void {
  const response = { 200: health, 503: health };
  const schema = { tags: TAGS, summary: 'State of the dependencies', hide, response };
  const app = plain.withTypeProvider<ZodTypeProvider>();
  app.get(url, { config: CONFIG, schema }, async (_request, reply) => {
    const answer = await registry.read();
    reply.header('cache-control', 'no-store');
    return reply.status(answer.status === 'unhealthy' ? 503 : 200).send(answer);
  });
}

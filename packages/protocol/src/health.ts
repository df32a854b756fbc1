import { z } from 'zod';
import { timestamp } from './common.ts';

export const HEALTH_STATUSES = ['healthy', 'degraded', 'unhealthy'] as const;
export const healthStatus = z.enum(HEALTH_STATUSES);
export type HealthStatus = z.infer<typeof healthStatus>;

export const healthCheck = z.object({
  status: healthStatus,
  message: z.string(),
  response_time_ms: z.number(),
  details: z.record(z.string(), z.unknown()).nullable(),
});

/** `GET /health`; 503 when unhealthy. */
export const health = z.object({
  status: healthStatus,
  timestamp,
  checks: z.record(z.string(), healthCheck),
});
export type Health = z.infer<typeof health>;

/**
 * The HTTP side of the server: one Fastify with every bound set, one error mapper, one router for
 * WebSocket upgrades, health, metrics, the built pages. Knows no product words: a `Guard`
 * authenticates callers, and features register what is served.
 *
 * Invariants:
 * - No route registers without a policy, and the guard decides before a body is read or an upgrade
 *   reaches its handler.
 * - Every error leaves through one mapper; answers never quote internals.
 * - Logs and metrics name route patterns, never raw paths or queries.
 * - Headers, URLs, bodies, waits and sockets are bounded (`limits.ts`).
 */
export { errorAnswer, openaiErrorBody } from './error-body.ts';
export { faultOf } from './fault.ts';
export type { Guard, GuardedRequest } from './guard.ts';
export { type CheckResult, type HealthCheck, HealthRegistry, healthRoutes } from './health.ts';
export {
  createMetricsServer,
  type MetricsSource,
  metricsRoutes,
} from './metrics-endpoint.ts';
export type { Absent } from './nearest-routes.ts';
export type { ErrorShape, RouteInfo } from './route.ts';
export { createHttpServer, type HttpServer } from './server.ts';
export { openSse, SSE_LIMITS, type SseLimits, type SseStream } from './sse.ts';
export { createStatusSocket, readStatusMetrics, statusSocketHealth } from './status-socket.ts';
export type { Upgrade, UpgradeRoute } from './upgrade/upgrade-router.ts';

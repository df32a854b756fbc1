import type {} from 'fastify';

/** The shape of a route's error bodies. */
export type ErrorShape = 'problem' | 'openai' | 'anthropic' | 'google';

/**
 * What every HTTP route declares besides its schema, in Fastify's route `config`. `policy` names a
 * row of the policy table that the guard knows; a route without one does not register. `errors`
 * picks the error body: our problem+json, or a provider's error object on provider-shaped routes.
 * `quiet` routes (probes, assets) are logged at debug level only.
 */
export interface RouteConfig {
  readonly policy: string;
  readonly errors?: ErrorShape;
  readonly quiet?: boolean;
}

/** A registered route or upgrade, as `HttpServer.routes()` lists it. */
export interface RouteInfo {
  /** An HTTP method, or `WS` for a WebSocket upgrade. */
  readonly method: string;
  /** The pattern, such as `/v1/things/:id`. */
  readonly url: string;
  readonly policy: string;
  readonly errors: ErrorShape;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    policy?: string;
    errors?: ErrorShape;
    quiet?: boolean;
  }
}

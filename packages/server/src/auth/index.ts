/**
 * Authentication and authorization: principals, projects, API keys, OIDC, client secrets, roles,
 * policies, audit.
 *
 * Invariants:
 * - One table (`policies.ts`) decides on the principal's rights, never on the credential.
 * - Secrets are stored as SHA-256 hashes and shown once; expiry is judged by the database's clock.
 * - Missing, malformed, expired, revoked and unknown credentials get the same 401; absent and
 *   other projects' resources the same 404.
 * - What is open on a right ends with it: `watch.ts` looks at the rights behind sockets, calls and
 *   streams; secrets and tickets ask for theirs each time.
 * - A cookie counts only for requests of our own pages; local mode trusts only direct loopback
 *   requests that no other site can have caused.
 */
export type { Audit, AuditRecord } from './audit.ts';
export { authorize, notFound, type Standing, type Target } from './authorize.ts';
export type { ClientSecrets } from './client-secrets.ts';
export type { StartedSession } from './console-sessions.ts';
export { type Auth, createAuth } from './create-auth.ts';
export { runTokenOf } from './credentials.ts';
export type { Allowances, Limits } from './limits.ts';
export { findPolicy, POLICIES, type Policy, roleIncludes } from './policies.ts';
export type { Basis, Principal, Rights } from './principal.ts';
export { authRoutes } from './routes.ts';
export { hashSecret, isSecretShaped, newSecret, RUN_TOKEN_PREFIX } from './secrets.ts';
export { signInRoutes } from './sign-in-routes.ts';
export type { StreamTickets } from './stream-tickets.ts';
export { unauthenticated } from './unauthenticated.ts';
export type { Watch } from './watch.ts';

/** For tests: a server with `auth/` on it, and the walk over the policy table. */
export * from './server.ts';
export * from './walk.ts';

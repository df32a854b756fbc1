/** A real identity provider and a server that trusts it, for tests. */
import { OAuth2Server } from 'oauth2-mock-server';
import type { Database } from '../../platform/database/index.ts';
import { openTestDatabase } from '../../platform/database/testing.ts';
import type { AuthOptions } from '../create-auth.ts';
import { createProjects } from '../projects.ts';
import { openTestAuth, type TestAuth } from '../testing/index.ts';

const CLIENT = 'console-client';
export const AUDIENCE = 'api://holdfast';

export interface OidcWorld {
  readonly issuer: OAuth2Server;
  readonly database: Database;
  /** Added to every token that the issuer's endpoints hand out; replace at will. */
  claims: Record<string, unknown>;
  /** A server with `auth/` on it; the caller closes it. */
  start(
    oidc?: Partial<NonNullable<AuthOptions['oidc']>>,
    options?: Partial<AuthOptions>,
    ports?: Parameters<typeof openTestAuth>[2],
  ): Promise<TestAuth>;
  close(): Promise<void>;
}

export async function openOidcWorld(): Promise<OidcWorld> {
  const database: Database = await openTestDatabase();
  await createProjects(database).ensure(['art', 'sales', 'zoo']);
  const issuer = new OAuth2Server();
  await issuer.issuer.keys.generate('RS256');
  await issuer.start(0, '127.0.0.1');
  const world: OidcWorld = {
    issuer,
    database,
    claims: {},
    start: (oidc, options, ports) =>
      openTestAuth(
        database,
        {
          oidc: {
            issuer: issuer.issuer.url ?? '',
            clientId: CLIENT,
            audiences: [AUDIENCE],
            scopes: 'openid profile',
            rolesHoldS: 600,
            ...oidc,
          },
          ...options,
        },
        ports,
      ),
    async close() {
      await issuer.stop();
      await database.close();
    },
  };
  issuer.service.on('beforeTokenSigning', token => Object.assign(token.payload, world.claims));
  return world;
}

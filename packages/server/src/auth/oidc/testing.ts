/** A real identity provider and a server that trusts it, for tests. */
import { OAuth2Server } from 'oauth2-mock-server';
import type { Database } from '../../platform/database/index.ts';
import { openTestDatabase } from '../../platform/database/testing.ts';
import type { AuthOptions } from '../create-auth.ts';
import { createProjects } from '../projects.ts';
import { cookieOf, openTestAuth, pageOf, type TestAuth } from '../testing/index.ts';

const CLIENT = 'console-client';
export const AUDIENCE = 'api://holdfast';

const HOST = 'localhost:8080';

/** Goes to the issuer and back as a browser does; answers what our pages send from then on. */
export async function signInAt({ app, auth }: TestAuth): Promise<ReturnType<typeof pageOf>> {
  const headers = { host: HOST };
  const { sessionName, signInName } = auth.cookies;
  const begun = await app.inject({ url: '/auth/login', headers });
  const authorize = await fetch(String(begun.headers.location), { redirect: 'manual' });
  const callback = new URL(authorize.headers.get('location')!);
  const cookie = `${signInName}=${cookieOf(begun, signInName)}`;
  const url = callback.pathname + callback.search;
  const answer = await app.inject({ url, headers: { ...headers, cookie } });
  if (answer.statusCode !== 303) throw new Error(`No sign-in: ${answer.body}`);
  return pageOf(answer, sessionName);
}

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

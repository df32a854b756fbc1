import { OAuth2Server } from 'oauth2-mock-server';

const AUDIENCE = 'api://holdfast';

/** A real OpenID provider on loopback. */
export interface Issuer {
  /** The settings of a server that trusts it. */
  readonly env: Record<string, string>;
  /** A bearer token as the provider signs it for the API; `claims` replace the usual ones. */
  token(claims: Record<string, unknown>, expiresInS?: number): Promise<string>;
  stop(): Promise<void>;
}

/** The caller stops it. */
export async function startIssuer(): Promise<Issuer> {
  const server = new OAuth2Server();
  await server.issuer.keys.generate('RS256');
  await server.start(0, '127.0.0.1');
  return {
    env: {
      HOLDFAST_OIDC_ISSUER: server.issuer.url ?? '',
      HOLDFAST_OIDC_CLIENT_ID: 'console-client',
      HOLDFAST_OIDC_AUDIENCE: AUDIENCE,
    },
    token: (claims, expiresInS = 3600) =>
      server.issuer.buildToken({
        expiresIn: expiresInS,
        scopesOrTransform: (_header, payload) => {
          Object.assign(payload, { aud: AUDIENCE, ...claims });
        },
      }),
    stop: () => server.stop(),
  };
}

/** Authentication: accounts, keys, sign-in. */
import { type Auth, authRoutes, createAuth, signInRoutes } from '../auth/index.ts';
import type { Platform } from '../compose.ts';
import type { Config } from '../config/index.ts';
import { systemClock } from '../kernel/index.ts';
import { runOfToken } from '../models/index.ts';
import type { Feature } from './feature.ts';
import { VERSION } from './http.ts';

export function openAuth(config: Config, platform: Platform): Feature & { readonly auth: Auth } {
  const { identity, server } = config;
  const { oidc } = identity;
  const { db } = platform.database;
  const auth = createAuth(
    { ...platform, clock: systemClock, runOfToken: token => runOfToken(db, token) },
    {
      oidc: oidc && {
        issuer: oidc.issuer,
        clientId: oidc.clientId,
        clientSecret: oidc.clientSecret?.reveal(),
        audiences: oidc.audiences,
        scopes: oidc.scopes,
        rolesHoldS: oidc.rolesHoldS,
        claims: oidc.claims,
      },
      adminLinkToken: identity.adminLinkToken?.reveal() ?? null,
      host: server.host,
      publicUrl: server.publicUrl,
      tls: server.tls !== null,
      corsOrigins: server.corsOrigins,
      limits: config.limits,
      projects: identity.projects,
      keyMaxDays: identity.keyMaxDays,
    },
  );
  const { notice, revision } = server;
  const consoleInfo = {
    notice,
    simulated: config.launcher.simulated,
    revision: `${revision} (${VERSION})`,
    replica: platform.leases.replica,
    recording: {
      bits_per_second: config.recordings.bitsPerSecond,
      max_bytes: config.recordings.uploadMaxBytes,
    },
    webrtc: true,
    api_key_max_days: identity.keyMaxDays,
  };
  return {
    auth,
    components: [auth.component, auth.watch],
    health: auth.healthChecks,
    routes: server.roles.includes('api') ? [signInRoutes(auth), authRoutes(auth, consoleInfo)] : [],
  };
}

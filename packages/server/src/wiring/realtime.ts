/** Voice sessions. */
import type { Auth } from '../auth/index.ts';
import type { Platform } from '../compose.ts';
import type { Config } from '../config/index.ts';
import type { Models, VoiceAccounts } from '../models/index.ts';
import {
  createRealtime,
  loadSessionDefaults,
  NOT_OFFERED,
  SESSION_KIND,
} from '../realtime/index.ts';
import type { Recordings } from '../recordings/index.ts';
import type { Work } from '../work/index.ts';
import type { Feature } from './feature.ts';

const DAY_MS = 24 * 3600 * 1000;

export async function openRealtime(
  config: Config,
  platform: Platform,
  others: {
    auth: Auth;
    work: Work;
    models: Models;
    accounts: VoiceAccounts;
    recordings: Recordings;
  },
): Promise<Feature> {
  const { auth, work, models, accounts, recordings } = others;
  const { sessions } = config;
  const { defaultsFile, clientBytesPerSecond, retentionDays } = sessions;
  const { roles, revision, shutdownAcceptMs, shutdownGraceMs } = config.server;
  work.kinds.add(SESSION_KIND);
  const realtime = createRealtime({
    ...platform,
    models,
    accounts,
    recordings,
    clientSecrets: auth.clientSecrets,
    audit: auth.audit,
    watch: auth.watch,
    defaults: defaultsFile === null ? null : await loadSessionDefaults(defaultsFile),
    lockedAlsoAllowed: sessions.lockedAlsoAllowed,
    sip: {
      secret: () => platform.secrets.get('OPENAI_WEBHOOK_SECRET'),
      forwardTo: sessions.webhookForwardUrl,
      projectId: sessions.telephoneProject,
    },
    configurationTimeoutMs: sessions.configurationTimeoutMs,
    revision,
    limits: auth.limits,
    relayLimits: { clientBytesPerSecond },
    reconnectWindowMs: sessions.reconnectWindowMs,
    keptOutputBytes: sessions.keptOutputBytes,
    retentionMs: retentionDays === null ? null : retentionDays * DAY_MS,
    drainAcceptMs: shutdownAcceptMs,
    drainTimeMs: shutdownGraceMs,
  });
  const isGateway = roles.includes('gateway');
  return {
    components: [realtime.erasures, ...(isGateway ? realtime.components : [])],
    routes: [
      ...(roles.includes('api') ? [realtime.sessionRoutes] : []),
      ...(isGateway ? [realtime.gatewayRoutes] : []),
    ],
    upgrades: isGateway ? realtime.upgrades : [],
    absent: NOT_OFFERED,
  };
}

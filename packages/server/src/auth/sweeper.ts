import type { Component } from '../kernel/index.ts';
import type { Logger } from '../platform/telemetry/index.ts';
import type { Audit } from './audit.ts';
import type { ClientSecrets } from './client-secrets.ts';
import type { ConsoleSessions } from './console-sessions.ts';
import type { BackChannelLogout } from './oidc/logout.ts';
import type { StreamTickets } from './stream-tickets.ts';

const SWEEP_INTERVAL_MS = 60 * 60 * 1000;
const AUDIT_RETENTION_DAYS = 365;

export interface Sweeper extends Component {
  /** One round: deletes whatever has expired. */
  sweep(): Promise<void>;
}

/**
 * Deletes expired secrets, ended console sessions and old audit rows, at start and hourly. Several
 * replicas may do so at once; nothing that is swept was valid any more.
 */
export function createSweeper(deps: {
  /** Done once, before anything is served. */
  prepare: () => Promise<void>;
  audit: Audit;
  clientSecrets: ClientSecrets;
  streamTickets: Pick<StreamTickets, 'sweep'>;
  sessions: ConsoleSessions;
  /** Absent in local mode. */
  logout: Pick<BackChannelLogout, 'sweep'> | undefined;
  log: Logger;
}): Sweeper {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;

  async function sweep(): Promise<void> {
    try {
      await deps.clientSecrets.sweep();
      await deps.streamTickets.sweep();
      await deps.sessions.sweep();
      await deps.logout?.sweep();
      await deps.audit.sweep(AUDIT_RETENTION_DAYS);
    } catch (err) {
      deps.log.warn('auth.sweep.failed', { err });
    }
  }

  return {
    name: 'auth',
    sweep,
    async start() {
      await deps.prepare();
      const round = () => {
        running = (running ?? Promise.resolve()).then(sweep);
      };
      round();
      timer = setInterval(round, SWEEP_INTERVAL_MS);
      timer.unref();
    },
    async stop() {
      clearInterval(timer);
      await running;
      await deps.audit.flush();
    },
  };
}

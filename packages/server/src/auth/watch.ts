import type { Role } from '@holdfast/protocol';
import { type Component, RepeatedLook } from '../kernel/index.ts';
import type { Database } from '../platform/database/index.ts';
import type { Doorbell } from '../platform/doorbell/index.ts';
import type { Logger } from '../platform/telemetry/index.ts';
import type { ConsoleSessions } from './console-sessions.ts';
import { presentRoles } from './present-roles.ts';
import type { Rights } from './principal.ts';

/**
 * What is open on a right, and ends with it. Every process looks at the rights behind what it has
 * open: at once when another process rings, and every `LOOK_INTERVAL_MS` besides, because rings may
 * be lost. While the database is away a right stands as it was.
 */
export interface Watch extends Component {
  /**
   * Calls `onRole` with the present role each time that it differs from before; null: the right is
   * over. Returns the function that ends the watching.
   */
  follow(rights: Rights, onRole: (role: Role | null) => void): () => void;
}

/** With the look itself, what is open ends well within 5 s of its right. */
const LOOK_INTERVAL_MS = 3_000;
/** Rights asked for in one query. */
const LOOK_BATCH = 1_000;
const BELL = 'rights';

/** Makes every process look at the rights behind what it has open. */
export const ringRights = (doorbell: Doorbell) => doorbell.ring(BELL);

export interface WatchDeps {
  readonly database: Database;
  readonly doorbell: Doorbell;
  readonly sessions: Pick<ConsoleSessions, 'renewDue'>;
  readonly log: Pick<Logger, 'warn'>;
}

interface Followed {
  readonly rights: Rights;
  role: Role | null;
  readonly onRole: (role: Role | null) => void;
}

export function createWatch({ database, doorbell, sessions, log }: WatchDeps): Watch {
  const all = new Set<Followed>();
  const look = new RepeatedLook(lookAtAll, { log, event: 'rights.look_failed' });
  let timer: NodeJS.Timeout | undefined;
  let unsubscribe: (() => void) | undefined;

  async function lookAtAll(): Promise<void> {
    const followed = [...all];
    for (let at = 0; at < followed.length; at += LOOK_BATCH) {
      const batch = followed.slice(at, at + LOOK_BATCH);
      const rights = batch.map(one => one.rights);
      // What is open on a sign-in must not depend on its pages asking for something.
      await sessions.renewDue(consolesOf(rights));
      const roles = await presentRoles(database.db, rights);
      for (const [n, one] of batch.entries()) tell(one, roles[n]!);
    }
  }

  function tell(one: Followed, role: Role | null): void {
    if (role === one.role || !all.has(one)) return;
    one.role = role;
    one.onRole(role);
  }

  return {
    name: 'rights',
    follow(rights, onRole) {
      // A right without a basis never ends, and is not looked at.
      if (rights.basis === undefined) return () => {};
      const one: Followed = { rights, role: rights.role, onRole };
      all.add(one);
      return () => void all.delete(one);
    },
    async start() {
      unsubscribe = doorbell.onRing(subjects => {
        if (subjects.includes(BELL)) void look.now();
      });
      timer = setInterval(() => void look.now(), LOOK_INTERVAL_MS);
      timer.unref();
    },
    async stop() {
      clearInterval(timer);
      unsubscribe?.();
    },
  };
}

function consolesOf(rights: readonly Rights[]): string[] {
  const ids = rights.flatMap(({ basis }) => (basis?.kind === 'console' ? [basis.id] : []));
  return [...new Set(ids)];
}

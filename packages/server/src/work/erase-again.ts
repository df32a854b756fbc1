import type { SubjectKind } from '@holdfast/protocol';
import type { Component } from '../kernel/index.ts';
import type { Database } from '../platform/database/index.ts';
import type { Log } from '../platform/log/index.ts';
import type { Telemetry } from '../platform/telemetry/index.ts';

const BATCH = 100;

interface EraseAgainDeps {
  readonly database: Database;
  readonly log: Pick<Log, 'broughtBack'>;
  readonly telemetry: Telemetry;
}

/**
 * Erases again, before anything is served, the subjects of a kind that a restored backup brought
 * back. A failure fails the start: what was erased must not be shown. Any number of processes may
 * do it at once.
 */
export function eraseAgain(
  { database, log, telemetry }: EraseAgainDeps,
  kind: SubjectKind,
  erase: (id: string) => Promise<void>,
): Component {
  return {
    name: `erasures of ${kind}s`,
    async start() {
      let count = 0;
      for (let after = ''; ; ) {
        const ids = await log.broughtBack(database.db, { kind, after, limit: BATCH });
        for (const id of ids) await erase(id);
        count += ids.length;
        if (ids.length < BATCH) break;
        after = ids.at(-1)!;
      }
      if (count > 0) telemetry.log.warn('erasures.replayed', { kind, count });
    },
  };
}

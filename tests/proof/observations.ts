/**
 * What can be seen of the system from outside, each with a name: `event:<type>` was received by a
 * subscriber, `log:<event>` was printed by a process, `wire:<what>` is on its way to the database.
 */
import type { TcpProxy } from '../../tools/services/tcp-proxy.ts';

/** Texts in what is sent to PostgreSQL, and what to call them. */
const WIRE: readonly (readonly [name: string, text: string])[] = [
  ['commit', 'commit'],
  ['append', 'insert into "events"'],
  ['run', 'update "runs"'],
  ['heartbeat', 'update "replicas"'],
  ['lease', 'lease_replica'],
  ['job', 'pgboss.job'],
];

export class Observations {
  readonly #waiting = new Map<string, Set<() => void>>();

  tell(name: string): void {
    const waiting = this.#waiting.get(name);
    if (waiting === undefined) return;
    this.#waiting.delete(name);
    for (const act of waiting) act();
  }

  /** Acts at the next sight of it, in the same tick; false when it is not seen in time. */
  at(name: string, timeoutMs: number, act: () => void): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiting = this.#waiting.get(name) ?? new Set();
    this.#waiting.set(name, waiting);
    const seen = () => {
      clearTimeout(timer);
      act();
      resolve(true);
    };
    const timer = setTimeout(() => {
      waiting.delete(seen);
      resolve(false);
    }, timeoutMs);
    waiting.add(seen);
    return promise;
  }

  watchWire(proxy: TcpProxy): void {
    proxy.watch(sent => {
      for (const [name, text] of WIRE) if (sent.includes(text)) this.tell(`wire:${name}`);
    });
  }
}

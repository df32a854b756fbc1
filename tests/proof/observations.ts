/**
 * What can be seen of the system from outside, each with a name: `event:<type>` was received by a
 * subscriber, `log:<event>` was printed by a process, `wire:<what>` is on its way to the database.
 */
import type { TcpProxy } from '../../tools/services/tcp-proxy.ts';

/** How an append to a log begins, of which the transaction's end follows. */
export const APPEND = 'insert into events (';

/** Texts in what is sent to PostgreSQL, and what to call them. */
const WIRE: readonly (readonly [name: string, text: string])[] = [
  ['commit', 'commit'],
  ['append', APPEND],
  ['run', 'update "runs"'],
  ['heartbeat', 'insert into "replicas"'],
  ['lease', 'lease_replica'],
  ['job', 'pgboss.job'],
  ['push', 'push.intended'],
];

export class Observations {
  /** Names of all observations so far. */
  readonly seen = new Set<string>();
  readonly #waiting = new Map<string, Set<() => void>>();

  tell(name: string): void {
    this.seen.add(name);
    const waiting = this.#waiting.get(name);
    if (waiting === undefined) return;
    this.#waiting.delete(name);
    for (const act of waiting) act();
  }

  /**
   * Acts at the next sight of any of them, in the same tick, and answers which; undefined when none
   * is seen in time.
   */
  at(names: readonly string[], timeoutMs: number, act: () => void): Promise<string | undefined> {
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const waits = new Map<string, () => void>();
    const over = (name: string | undefined) => {
      clearTimeout(timer);
      for (const [waited, see] of waits) this.#waiting.get(waited)?.delete(see);
      if (name !== undefined) act();
      resolve(name);
    };
    const timer = setTimeout(() => over(undefined), timeoutMs);
    for (const name of new Set(names)) {
      const see = () => over(name);
      waits.set(name, see);
      const waiting = this.#waiting.get(name) ?? new Set();
      this.#waiting.set(name, waiting.add(see));
    }
    return promise;
  }

  watchWire(proxy: TcpProxy): void {
    proxy.watch(sent => {
      for (const [name, text] of WIRE) if (sent.includes(text)) this.tell(`wire:${name}`);
    });
  }
}

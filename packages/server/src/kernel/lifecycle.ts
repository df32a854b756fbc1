import { endsWithin, unlessAborted } from './bounded.ts';

/**
 * Start and stop of one process.
 *
 *   starting → ready → draining → stopped
 *
 * Components start in the order given and stop in reverse. `drain` runs first, on all components
 * at once, while they all still work: readiness has already turned false, so that a load balancer
 * stops sending work, and each component finishes or hands over what it holds. A drain that
 * outlasts its deadline is cut off; `stop` still runs, and one that takes longer than `STOP_MAX_MS`
 * is abandoned; when all together take longer than `STOPS_MAX_MS`, those that are left are not
 * stopped at all. A stop during the start gives the start up. Both phases run once, however often
 * they are requested.
 */
export type LifecycleState = 'starting' | 'ready' | 'draining' | 'stopped';

export interface Component {
  readonly name: string;
  start?(): Promise<void>;
  /** Finish or hand over. When `signal` aborts, give up waiting and close what is left. */
  drain?(signal: AbortSignal): Promise<void>;
  /** Release everything; must work after a failed or cut-off drain, and after a failed start. */
  stop?(): Promise<void>;
}

/** The time a drain may take after its deadline, for last messages and closing handshakes. */
export const DRAIN_CLOSING_MS = 5_000;
/** The time one component's stop may take: the service it waits for may never answer. */
export const STOP_MAX_MS = 10_000;
/** The time that all stops may take together: what ends this process waits no longer. */
export const STOPS_MAX_MS = 20_000;
/** The time that the close of one port may take: the service it waits for may never answer. */
export const CLOSE_MAX_MS = 10_000;

export interface LifecycleEvents {
  onState?(state: LifecycleState): void;
  onError?(component: string, phase: 'start' | 'drain' | 'stop', error: unknown): void;
}

export class Lifecycle {
  #state: LifecycleState = 'starting';
  readonly #started: Component[] = [];
  #stopping: Promise<void> | undefined;
  readonly #hurry = new AbortController();
  readonly #givenUp = new AbortController();
  /** The start that is under way. */
  #pending: { readonly component: Component; readonly started: Promise<unknown> } | undefined;
  readonly #components: readonly Component[];
  readonly #events: LifecycleEvents;

  constructor(components: readonly Component[], events: LifecycleEvents = {}) {
    this.#components = components;
    this.#events = events;
  }

  get state(): LifecycleState {
    return this.#state;
  }

  /**
   * Starts all; on a failure stops what had started and throws that failure. Resolves early when
   * `stop()` is called meanwhile.
   */
  async start(): Promise<void> {
    const { signal } = this.#givenUp;
    for (const component of this.#components) {
      if (signal.aborted) return;
      try {
        this.#started.push(component);
        const started = component.start?.() ?? Promise.resolve();
        this.#pending = { component, started: started.catch(() => {}) };
        await unlessAborted(signal, () => started);
      } catch (error) {
        this.#events.onError?.(component.name, 'start', error);
        await this.stop({ drainMs: 0 });
        throw error;
      }
    }
    if (this.#state === 'starting') this.#enter('ready');
  }

  /** Ends a drain's waiting, now or when it begins. */
  hurry(): void {
    this.#hurry.abort();
  }

  /** Drains until `drainMs` are over, closes what is left, stops everything. Idempotent. */
  stop(options: { drainMs: number }): Promise<void> {
    this.#stopping ??= this.#stop(options.drainMs);
    return this.#stopping;
  }

  async #stop(drainMs: number): Promise<void> {
    this.#givenUp.abort();
    this.#enter('draining');
    await this.#drain(drainMs);
    const deadlineMs = performance.now() + STOPS_MAX_MS;
    for (const component of this.#started.toReversed()) {
      try {
        const timeoutMs = Math.min(STOP_MAX_MS, Math.ceil(deadlineMs - performance.now()));
        if (timeoutMs <= 0) throw new Error(`Left: all stops took ${STOPS_MAX_MS} ms.`);
        if (!(await endsWithin(this.#stopOne(component), timeoutMs))) {
          throw new Error(`Did not stop within ${timeoutMs} ms.`);
        }
      } catch (error) {
        this.#events.onError?.(component.name, 'stop', error);
      }
    }
    this.#enter('stopped');
  }

  /** A start that was given up goes on, and must not open something behind the stop. */
  async #stopOne(component: Component): Promise<void> {
    if (this.#pending?.component === component) await this.#pending.started;
    await component.stop?.();
  }

  async #drain(drainMs: number): Promise<void> {
    const deadline = new AbortController();
    const signal = AbortSignal.any([deadline.signal, this.#hurry.signal]);
    const timer = setTimeout(() => deadline.abort(), drainMs);
    const drains = this.#started.map(async component => {
      try {
        await component.drain?.(signal);
      } catch (error) {
        this.#events.onError?.(component.name, 'drain', error);
      }
    });
    const drained = Promise.all(drains);
    await unlessAborted(signal, () => drained);
    clearTimeout(timer);
    if (signal.aborted) await endsWithin(drained, DRAIN_CLOSING_MS);
  }

  #enter(state: LifecycleState): void {
    this.#state = state;
    this.#events.onState?.(state);
  }
}

export interface Closable {
  readonly name: string;
  close(): Promise<void>;
}

/**
 * Closes all, one after the other. A part that fails, or takes longer than `CLOSE_MAX_MS`, is
 * reported by its name and left; in the end such failures are thrown together.
 */
export async function closeAll(
  parts: readonly Closable[],
  onFailure: (name: string, error: unknown) => void,
): Promise<void> {
  const failures: unknown[] = [];
  for (const part of parts) {
    try {
      if (await endsWithin(part.close(), CLOSE_MAX_MS)) continue;
      throw new Error(`${part.name} did not close within ${CLOSE_MAX_MS} ms.`);
    } catch (error) {
      failures.push(error);
      onFailure(part.name, error);
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, 'Not every port closed.');
}

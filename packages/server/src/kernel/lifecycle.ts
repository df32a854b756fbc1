import { endsWithin, unlessAborted } from './bounded.ts';

/**
 * Start and stop of one process.
 *
 *   starting → ready → draining → stopped
 *
 * Components start in the order given and stop in reverse. `drain` runs first, on all components
 * at once, while they all still work: readiness has already turned false, so that a load balancer
 * stops sending work, and each component finishes or hands over what it holds. A drain that
 * outlasts its deadline is cut off, and the closing time begins: what drains still close, the
 * stops and the ports share it, so that a process ends before whoever asked it to kills it. A stop
 * that takes more than half of what is left for stops is abandoned. A stop during the start gives
 * the start up. Both phases run once, however often they are requested.
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

/** Until when, of the closing time, drains may send last messages and shake hands. */
const DRAINS_SHARE = 0.5;
/** Until when, of the closing time, components may stop; the rest is for the ports. */
const STOPS_SHARE = 0.8;
/** The time that the close of one port may take: the service it waits for may never answer. */
export const CLOSE_MAX_MS = 10_000;

export interface StopTimes {
  readonly drainMs: number;
  /** From the end of the drain, however it ended, until the last port is closed. */
  readonly closingMs: number;
}

export interface LifecycleEvents {
  onState?(state: LifecycleState): void;
  onError?(component: string, phase: 'start' | 'drain' | 'stop', error: unknown): void;
}

/** Nobody waits for the end of a start that failed but its supervisor, for a while. */
const FAILED_START_CLOSING_MS = 20_000;

export class Lifecycle {
  #state: LifecycleState = 'starting';
  readonly #started: Component[] = [];
  #stopping: Promise<number> | undefined;
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
        await this.stop({ drainMs: 0, closingMs: FAILED_START_CLOSING_MS });
        throw error;
      }
    }
    if (this.#state === 'starting') this.#enter('ready');
  }

  /** Ends a drain's waiting, now or when it begins. */
  hurry(): void {
    this.#hurry.abort();
  }

  /**
   * Drains until `drainMs` are over, closes what is left, stops everything. Idempotent. Answers
   * what is left of the closing time, for the ports.
   */
  stop(times: StopTimes): Promise<number> {
    this.#stopping ??= this.#stop(times);
    return this.#stopping;
  }

  async #stop({ drainMs, closingMs }: StopTimes): Promise<number> {
    this.#givenUp.abort();
    this.#enter('draining');
    const closingSinceMs = await this.#drain(drainMs, closingMs * DRAINS_SHARE);
    const stopsUntilMs = closingSinceMs + closingMs * STOPS_SHARE;
    for (const component of this.#started.toReversed()) {
      try {
        const timeoutMs = Math.max(1, Math.ceil((stopsUntilMs - performance.now()) / 2));
        if (!(await endsWithin(this.#stopOne(component), timeoutMs))) {
          throw new Error(`Did not stop within ${timeoutMs} ms.`);
        }
      } catch (error) {
        this.#events.onError?.(component.name, 'stop', error);
      }
    }
    this.#enter('stopped');
    return Math.max(0, closingSinceMs + closingMs - performance.now());
  }

  /** A start that was given up goes on, and must not open something behind the stop. */
  async #stopOne(component: Component): Promise<void> {
    if (this.#pending?.component === component) await this.#pending.started;
    await component.stop?.();
  }

  /** Answers when the closing time began. */
  async #drain(drainMs: number, closingMs: number): Promise<number> {
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
    const closingSinceMs = performance.now();
    if (signal.aborted) await endsWithin(drained, closingMs);
    return closingSinceMs;
  }

  #enter(state: LifecycleState): void {
    this.#state = state;
    this.#events.onState?.(state);
  }
}

export interface Closable {
  readonly name: string;
  /** In less than `timeoutMs`, where it can choose; it is left after that. */
  close(timeoutMs: number): Promise<void>;
}

/**
 * Closes all, one after the other. A part that fails, or takes longer than `CLOSE_MAX_MS` or half
 * of what is left of `timeoutMs`, is reported by its name and left; in the end such failures are
 * thrown together.
 */
export async function closeAll(
  parts: readonly Closable[],
  onFailure: (name: string, error: unknown) => void,
  timeoutMs = Number.POSITIVE_INFINITY,
): Promise<void> {
  const failures: unknown[] = [];
  const untilMs = performance.now() + timeoutMs;
  for (const part of parts) {
    try {
      const leftMs = Math.max(1, Math.ceil((untilMs - performance.now()) / 2));
      const partMs = Math.min(CLOSE_MAX_MS, leftMs);
      if (await endsWithin(part.close(partMs), partMs)) continue;
      throw new Error(`${part.name} did not close within ${partMs} ms.`);
    } catch (error) {
      failures.push(error);
      onFailure(part.name, error);
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, 'Not every port closed.');
}

import { type Client, type Delivery, followStream, type LineState } from '@holdfast/client';
import type { EventEnvelope } from '@holdfast/protocol';
import { isRunEnding } from '@holdfast/protocol/run-endings';

/**
 * The logs of all runs this tab shows, on one stream. A run that was watched once is followed to
 * its end even when no page shows it any more, so that its end can be reported; ended runs that no
 * page watches are dropped when there are too many.
 */
export interface RunLog {
  /** In order, without holes; the same array grows, and `version` with it. */
  readonly events: readonly EventEnvelope[];
  readonly version: number;
  /** Older events are no longer kept, by the server or by this page. */
  readonly gap: boolean;
  readonly over: boolean;
  readonly error: unknown;
}

export interface RunStoreOptions {
  follow?: typeof followStream;
  /** Receives each batch of a run. */
  onEvents?: (runId: string, events: readonly EventEnvelope[]) => void;
  /** Waits for the next moment to draw; many events share one. */
  schedule?: (flush: () => void) => void;
}

/** The most subjects that one stream may name. */
export const FOLLOWED_MAX = 50;
const KEPT_MAX = 24;
export const EVENTS_MAX = 100_000;
const EMPTY: RunLog = { events: [], version: 0, gap: false, over: false, error: null };
const DRAW_MS = 50;

interface Entry {
  events: EventEnvelope[];
  seq: number;
  log: RunLog;
  watchers: number;
  listeners: Set<() => void>;
  dirty: boolean;
}

export class RunStore {
  private readonly client: Pick<Client, 'http'>;
  private readonly options: RunStoreOptions;
  private readonly entries = new Map<string, Entry>();
  private readonly lineListeners = new Set<() => void>();
  private stream: { abort: AbortController; subjects: Set<string> } | null = null;
  private scheduled = false;
  /** False while the stream is lost; true before there is one. */
  lineOpen = true;

  constructor(client: Pick<Client, 'http'>, options: RunStoreOptions = {}) {
    this.client = client;
    this.options = options;
  }

  /** Follows a run while a component shows it; the returned function ends that. */
  watch(runId: string): () => void {
    const entry = this.entry(runId);
    entry.watchers++;
    this.restart();
    return () => {
      entry.watchers--;
      this.prune();
    };
  }

  snapshot(runId: string): RunLog {
    return this.entries.get(runId)?.log ?? EMPTY;
  }

  subscribe(runId: string, listener: () => void): () => void {
    const { listeners } = this.entry(runId);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  subscribeLine(listener: () => void): () => void {
    this.lineListeners.add(listener);
    return () => this.lineListeners.delete(listener);
  }

  private entry(runId: string): Entry {
    const known = this.entries.get(runId);
    if (known) return known;
    const entry: Entry = {
      events: [],
      seq: 0,
      log: EMPTY,
      watchers: 0,
      listeners: new Set(),
      dirty: false,
    };
    this.entries.set(runId, entry);
    return entry;
  }

  /** Opens a new stream when a run was added that the present one does not include. */
  private restart(): void {
    const wanted = [...this.entries].filter(([, entry]) => !entry.log.over && !entry.log.error);
    // Runs that a page shows come first; those that only wait for their end come last.
    const followed = wanted.sort((a, b) => b[1].watchers - a[1].watchers).slice(0, FOLLOWED_MAX);
    if (followed.length === 0) return;
    if (followed.every(([id]) => this.stream?.subjects.has(id))) return;
    this.stream?.abort.abort();
    const abort = new AbortController();
    this.stream = { abort, subjects: new Set(followed.map(([id]) => id)) };
    // After the present tick, because a page with eight runs adds them one by one.
    queueMicrotask(() => void this.read(abort));
  }

  private async read(abort: AbortController): Promise<void> {
    if (this.stream?.abort !== abort) return;
    const subjects = [...this.stream.subjects];
    const start = Object.fromEntries(subjects.map(id => [id, this.entry(id).seq]));
    const follow = this.options.follow ?? followStream;
    const onLine = (line: LineState) => this.setLine(abort, line.open);
    try {
      const deliveries = follow(this.client as Client, start, { signal: abort.signal, onLine });
      for await (const delivery of deliveries) {
        if (abort.signal.aborted) return;
        this.take(delivery);
      }
      // The server has no further events of any of them.
      for (const id of subjects) this.entry(id).log = { ...this.entry(id).log, over: true };
    } catch (error) {
      if (!abort.signal.aborted) await this.refused(subjects, error);
    }
    if (abort.signal.aborted) return;
    this.setLine(abort, true);
    this.stream = null;
    this.restart();
  }

  private take(delivery: Delivery): void {
    if (delivery.kind === 'gap') {
      const entry = this.entry(delivery.gap.subject);
      entry.log = { ...entry.log, gap: true };
      this.touch(entry);
      return;
    }
    for (const event of delivery.events) {
      const entry = this.entry(event.subject);
      entry.events.push(event);
      entry.seq = event.seq;
      if (isRunEnding(event.type)) entry.log = { ...entry.log, over: true };
      this.touch(entry);
    }
    const subjects = new Set(delivery.events.map(event => event.subject));
    for (const id of subjects) {
      const events = delivery.events.filter(event => event.subject === id);
      this.options.onEvents?.(id, events);
    }
  }

  /**
   * The server refuses a stream as a whole, even when only one of its runs no longer exists. So
   * each run is requested by itself, and the stream is opened again without those it refuses.
   */
  private async refused(subjects: readonly string[], error: unknown): Promise<void> {
    const answers = await Promise.allSettled(
      subjects.map(id => this.client.http.json(`/v1/runs/${encodeURIComponent(id)}`)),
    );
    const gone = subjects.filter((_, index) => answers[index]?.status === 'rejected');
    for (const id of gone.length > 0 ? gone : subjects) {
      const entry = this.entry(id);
      entry.log = { ...entry.log, error };
      this.touch(entry);
    }
  }

  private touch(entry: Entry): void {
    entry.dirty = true;
    if (this.scheduled) return;
    this.scheduled = true;
    const schedule = this.options.schedule ?? (flush => void setTimeout(flush, DRAW_MS));
    schedule(() => this.flush());
  }

  private flush(): void {
    this.scheduled = false;
    for (const entry of this.entries.values()) {
      if (!entry.dirty) continue;
      entry.dirty = false;
      const dropped = entry.events.length > EVENTS_MAX;
      // A new array makes incremental readers start again.
      if (dropped) entry.events = entry.events.slice(-EVENTS_MAX * 0.8);
      entry.log = {
        ...entry.log,
        events: entry.events,
        version: entry.log.version + 1,
        gap: entry.log.gap || dropped,
      };
      for (const listener of [...entry.listeners]) listener();
    }
  }

  private setLine(abort: AbortController, open: boolean): void {
    if (abort.signal.aborted || this.lineOpen === open) return;
    this.lineOpen = open;
    for (const listener of [...this.lineListeners]) listener();
  }

  private prune(): void {
    const idle = [...this.entries].filter(([, { watchers, listeners, log }]) => {
      const followed = !log.over && log.error === null;
      return watchers === 0 && listeners.size === 0 && !followed;
    });
    for (const [id] of idle.slice(0, Math.max(0, this.entries.size - KEPT_MAX))) {
      this.entries.delete(id);
    }
  }
}

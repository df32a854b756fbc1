import type { EventEnvelope } from '@holdfast/protocol';
import { isRunEnding } from '@holdfast/protocol/run-endings';
import { ApiError } from './api-error.ts';
import { delayMs, RETRY_DEFAULT, type RetryPolicy, wait } from './backoff.ts';
import type { Http, HttpRequest } from './http.ts';
import { type Arrival, Positions, type StreamGap } from './positions.ts';
import { readSse, type SseMessage } from './sse.ts';

/** What a followed stream delivers: each event once and in order, and explicit gaps. */
export type Delivery =
  | { kind: 'events'; events: EventEnvelope[] }
  | { kind: 'gap'; gap: StreamGap };

/** Whether the stream is open. `error` is why it is not. */
export type LineState = { open: true } | { open: false; error: ApiError | null };

export interface StreamOptions {
  signal?: AbortSignal | undefined;
  /** Called whenever the line opens or is lost; following continues by itself. */
  onLine?: ((line: LineState) => void) | undefined;
  retry?: Partial<RetryPolicy> | undefined;
  /** The server sends at least a comment every 15 s; three times that counts as silence. */
  idleMs?: number | undefined;
}

const IDLE_MS = 45_000;
/** A line that lasted this long counts as good, even without events. */
const GOOD_LINE_MS = 5000;
/** After a response that ended regularly, the client reconnects almost at once. */
const REOPEN_MS = 250;

/**
 * Follows one run from event `after` to its end: every event once, in order, whatever happens to
 * the line. Ends after the terminal event. Throws ApiError on a refusal (not found, forbidden).
 */
export function followRun(
  client: { http: Http },
  runId: string,
  options: StreamOptions & { after?: number } = {},
): AsyncGenerator<Delivery, void> {
  const path = `/v1/runs/${encodeURIComponent(runId)}/stream`;
  const ask = (positions: Positions) => {
    const after = positions.of(runId);
    const headers: Record<string, string> = after > 0 ? { 'last-event-id': String(after) } : {};
    return { headers };
  };
  return follow(client.http, { path, ask, start: { [runId]: options.after ?? 0 } }, options);
}

/**
 * Follows many runs on one stream; `start` gives the last known event of each. A run leaves
 * the stream when it ends; the stream ends with the last of them. After a cut the client sends the
 * positions again: they mean the same as the server's cursor and fit the runs that are left.
 */
export function followStream(
  client: { http: Http },
  start: Readonly<Record<string, number>>,
  options: StreamOptions = {},
): AsyncGenerator<Delivery, void> {
  const ask = (positions: Positions) => ({ query: { subjects: String(positions) } });
  return follow(client.http, { path: '/v1/stream', ask, start }, options);
}

interface Source {
  path: string;
  ask: (positions: Positions) => Pick<HttpRequest, 'headers' | 'query'>;
  start: Readonly<Record<string, number>>;
}

async function* follow(
  http: Http,
  source: Source,
  options: StreamOptions,
): AsyncGenerator<Delivery, void> {
  const policy = { ...RETRY_DEFAULT, ...options.retry };
  const positions = new Positions(source.start);
  const line = new Line(positions);
  const signal = options.signal ?? new AbortController().signal;
  let failures = 0;
  while (positions.size > 0 && !signal.aborted) {
    const outcome = yield* line.read(http, source, { ...options, signal });
    if (outcome.over || signal.aborted) return;
    failures = outcome.good ? 0 : failures + 1;
    if (positions.size === 0) return;
    options.onLine?.({ open: false, error: outcome.error });
    const pause =
      failures === 0
        ? policy.random() * REOPEN_MS
        : delayMs(policy, failures, outcome.error?.retryAfterMs);
    await wait(pause, signal).catch(() => undefined);
  }
}

interface Outcome {
  /** Nothing more will come. */
  over: boolean;
  good: boolean;
  error: ApiError | null;
}

/** The connections to one stream, one after the other, and their shared state. */
class Line {
  private readonly positions: Positions;
  /** Where a hole was seen before; the same hole twice is a hole in the server's log. */
  private hole: string | null = null;

  constructor(positions: Positions) {
    this.positions = positions;
  }

  async *read(
    http: Http,
    source: Source,
    options: StreamOptions & { signal: AbortSignal },
  ): AsyncGenerator<Delivery, Outcome> {
    const openedAt = Date.now();
    let delivered = false;
    const outcome = (facts: Partial<Outcome>): Outcome => ({
      over: false,
      good: delivered || Date.now() - openedAt > GOOD_LINE_MS,
      error: null,
      ...facts,
    });
    const messages = readSse(http, source.path, source.ask(this.positions), {
      signal: options.signal,
      idleMs: options.idleMs ?? IDLE_MS,
      onOpen: () => options.onLine?.({ open: true }),
    });
    try {
      for (;;) {
        const { done, value } = await messages.next();
        if (done) return outcome({ over: value });
        const { deliveries, broken } = this.sort(value);
        delivered ||= deliveries.length > 0;
        yield* deliveries;
        if (broken || this.positions.size === 0) return outcome({ good: !broken });
      }
    } catch (error) {
      if (options.signal.aborted) return outcome({ over: true });
      if (!(error instanceof ApiError) || !error.transient) throw error;
      return outcome({ error });
    } finally {
      await messages.return(true);
    }
  }

  /** `broken`: an event is missing without an announced gap. */
  private sort(messages: readonly SseMessage[]): { deliveries: Delivery[]; broken: boolean } {
    const deliveries: Delivery[] = [];
    for (const message of messages) {
      const data = parse(message.data);
      if (message.event === 'gap' || data.type === 'gap') {
        deliveries.push(this.gap(data));
        continue;
      }
      if (!isEnvelope(data)) continue;
      const arrival = this.arrive(data, deliveries);
      if (arrival.kind === 'hole') return { deliveries, broken: true };
      if (arrival.kind === 'next') append(deliveries, data);
      if (isRunEnding(data.type)) this.positions.end(data.subject);
    }
    return { deliveries, broken: false };
  }

  private arrive(event: EventEnvelope, deliveries: Delivery[]): Arrival {
    const arrival = this.positions.take(event);
    if (arrival.kind !== 'hole') return arrival;
    const hole = `${event.subject}:${this.positions.of(event.subject)}`;
    if (this.hole !== hole) {
      this.hole = hole;
      return arrival;
    }
    deliveries.push(this.gap({ subject: event.subject }));
    return this.positions.take(event);
  }

  private gap(data: Record<string, unknown>): Delivery {
    const only = String(this.positions).split(':')[0] ?? '';
    const subject = typeof data.subject === 'string' ? data.subject : only;
    const url = data.snapshot_url ?? data.snapshot ?? data.url;
    const after = this.positions.of(subject);
    this.positions.expectGap(subject);
    return {
      kind: 'gap',
      gap: { subject, after, snapshotUrl: typeof url === 'string' ? url : null },
    };
  }
}

function append(deliveries: Delivery[], event: EventEnvelope): void {
  const last = deliveries.at(-1);
  if (last?.kind === 'events') last.events.push(event);
  else deliveries.push({ kind: 'events', events: [event] });
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function isEnvelope(data: Record<string, unknown>): data is EventEnvelope & typeof data {
  return (
    typeof data.subject === 'string' &&
    typeof data.type === 'string' &&
    Number.isInteger(data.seq) &&
    typeof data.data === 'object'
  );
}

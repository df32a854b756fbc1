import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';

/**
 * Server-sent events over one response: headers that keep proxies from buffering, a comment while
 * nothing happens, an end before an ingress would cut the response, and a bound on how long a
 * reader may stall. Only whole events are sent, as text that the caller has formatted.
 *
 *   open ──time over, drained, denied──▶ ending ──events under way sent──▶ ended
 *     └────reader gone, or too slow─────────────────────────────────────▶ gone
 *
 * A writer holds no events: `send` resolves when the reader has taken enough for more, so its
 * caller waits with it. `signal` aborts when no more should be sent, whatever the reason.
 */
export interface SseLimits {
  /** A comment is sent after so much silence. */
  readonly heartbeatMs: number;
  /** The response ends by itself after this time, or up to a tenth earlier. */
  readonly lifetimeMs: number;
  /** A reader that takes nothing for so long is cut off. */
  readonly stallMs: number;
  /** How long clients wait before they reconnect; sent as `retry:`. */
  readonly retryMs: number;
}

/** Ingresses cut responses after 240 s. */
export const SSE_LIMITS: SseLimits = {
  heartbeatMs: 15_000,
  lifetimeMs: 200_000,
  stallMs: 20_000,
  retryMs: 2_000,
};

export interface SseStream {
  /** Aborted once nothing more should be sent. */
  readonly signal: AbortSignal;
  /** Sends whole events; undefined when the reader keeps up, else what to wait for. */
  send(events: string | Uint8Array): Promise<void> | undefined;
  /** Lets what was sent arrive and ends the response; sent events stay whole. */
  end(): void;
}

/** Takes over a reply. The caller must `end()` it in any case. */
export function openSse(reply: FastifyReply, limits: SseLimits = SSE_LIMITS): SseStream {
  const headers = reply.getHeaders();
  reply.hijack();
  return new SseWriter(reply.raw, headers, limits);
}

class SseWriter implements SseStream {
  readonly #response: ServerResponse;
  readonly #limits: SseLimits;
  readonly #stop = new AbortController();
  readonly #heartbeat: NodeJS.Timeout;
  readonly #lifetime: NodeJS.Timeout;
  #quietTicks = 0;

  constructor(
    response: ServerResponse,
    headers: ReturnType<FastifyReply['getHeaders']>,
    limits: SseLimits,
  ) {
    this.#response = response;
    this.#limits = limits;
    response.writeHead(200, {
      ...(headers as Record<string, string>),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    });
    response.on('error', () => {});
    response.once('close', () => this.#close());
    response.write(`retry: ${limits.retryMs}\n\n`);
    // Twice as often as needed: an event just before a tick must not double the silence.
    this.#heartbeat = setInterval(() => {
      this.#quietTicks += 1;
      if (this.#quietTicks < 2) return;
      this.#quietTicks = 0;
      if (!response.writableNeedDrain) response.write(': ka\n\n');
    }, limits.heartbeatMs / 2);
    // Readers that connected together should not reconnect together.
    const lifetimeMs = limits.lifetimeMs * (1 - Math.random() / 10);
    this.#lifetime = setTimeout(() => this.#stop.abort(), lifetimeMs);
    // The reader left before the stream began, so no `close` event will follow.
    if (response.destroyed || response.closed) this.#close();
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  send(events: string | Uint8Array): Promise<void> | undefined {
    if (this.#response.destroyed || this.#response.writableEnded) return undefined;
    this.#quietTicks = 0;
    return this.#response.write(events) ? undefined : this.#drained();
  }

  end(): void {
    this.#close();
    if (this.#response.destroyed) return;
    this.#response.end();
    // A stalled reader must not keep the response open for ever either.
    const cut = setTimeout(() => this.#response.destroy(), this.#limits.stallMs);
    this.#response.once('close', () => clearTimeout(cut));
  }

  async #drained(): Promise<void> {
    const response = this.#response;
    await new Promise<void>(resolve => {
      const cut = setTimeout(() => response.destroy(), this.#limits.stallMs);
      const done = () => {
        clearTimeout(cut);
        response.off('drain', done).off('close', done);
        resolve();
      };
      response.on('drain', done).on('close', done);
    });
  }

  #close(): void {
    clearInterval(this.#heartbeat);
    clearTimeout(this.#lifetime);
    this.#stop.abort();
  }
}

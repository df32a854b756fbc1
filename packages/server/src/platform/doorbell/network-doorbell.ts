/**
 * The common part of doorbells over a network. A ring notifies this process's listeners at once and
 * goes out to the others in messages of bounded size. Each message begins with this process's name,
 * so that it ignores its own messages when they come back. A message that cannot be sent is
 * dropped: the first one of an outage is logged, all are counted, and the followers' poll makes up
 * for them.
 */
import { randomUUID } from 'node:crypto';
import type { Counter } from '@opentelemetry/api';
import type { Logger, Telemetry } from '../telemetry/index.ts';
import { Coalescer } from './coalescer.ts';
import type { Doorbell } from './doorbell.ts';

/** PostgreSQL's NOTIFY takes payloads below 8,000 bytes; the same bound serves everywhere. */
export const MESSAGE_MAX_BYTES = 7_900;
const SEPARATOR = '\n';

export interface Wire {
  readonly adapter: string;
  send(message: string): Promise<void>;
  ping(timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}

export interface NetworkDoorbell extends Doorbell {
  /** Called by the wire for each incoming message. */
  receive(message: string): void;
}

export function createNetworkDoorbell(
  wire: Wire,
  telemetry?: Pick<Telemetry, 'log' | 'meter'>,
): NetworkDoorbell {
  const origin = randomUUID();
  const listeners = new Listeners(telemetry?.log);
  const dropped = telemetry?.meter.createCounter('holdfast_doorbell_dropped_total');
  const send = sender(wire, dropped, telemetry?.log);
  const rings = new Coalescer(async subjects => {
    listeners.notify(subjects);
    for (const message of messages(origin, subjects)) await send(message);
  }, dropped);
  return {
    adapter: wire.adapter,
    ring: subject => rings.add(subject),
    onRing: listener => listeners.add(listener),
    receive(message) {
      const [from, ...subjects] = message.split(SEPARATOR);
      if (from !== origin) listeners.notify(subjects);
    },
    ping: timeoutMs => wire.ping(timeoutMs),
    async close() {
      rings.close();
      listeners.clear();
      await wire.close();
    },
  };
}

function sender(wire: Wire, dropped: Counter | undefined, log: Logger | undefined) {
  let failing = false;
  return async (message: string): Promise<void> => {
    try {
      await wire.send(message);
      if (failing) log?.info('doorbell.recovered', { adapter: wire.adapter });
      failing = false;
    } catch (error) {
      dropped?.add(message.split(SEPARATOR).length - 1);
      if (!failing) log?.warn('doorbell.away', { adapter: wire.adapter, error });
      failing = true;
    }
  };
}

/** Packs subjects into as few messages as their size allows. */
export function* messages(origin: string, subjects: readonly string[]): Generator<string> {
  let message = origin;
  let sizeBytes = origin.length;
  for (const subject of subjects) {
    const addedBytes = 1 + Buffer.byteLength(subject);
    // A name that fits no message, or would read as two, is left to the poll.
    if (origin.length + addedBytes > MESSAGE_MAX_BYTES || subject.includes(SEPARATOR)) continue;
    if (sizeBytes + addedBytes > MESSAGE_MAX_BYTES) {
      yield message;
      message = origin;
      sizeBytes = origin.length;
    }
    message += SEPARATOR + subject;
    sizeBytes += addedBytes;
  }
  if (message !== origin) yield message;
}

type RingListener = (subjects: readonly string[]) => void;

/**
 * A doorbell's listeners in this process. One that throws is logged and does not stop the others.
 */
export class Listeners {
  readonly #listeners = new Set<RingListener>();
  readonly #log: Logger | undefined;

  constructor(log?: Logger) {
    this.#log = log;
  }

  /** The same function added twice is called twice; each unsubscribe ends its own. */
  add(listener: RingListener): () => void {
    const entry: RingListener = subjects => listener(subjects);
    this.#listeners.add(entry);
    return () => {
      this.#listeners.delete(entry);
    };
  }

  notify(subjects: readonly string[]): void {
    if (subjects.length === 0) return;
    for (const listener of this.#listeners) {
      try {
        listener(subjects);
      } catch (error) {
        this.#log?.error('doorbell.listener_failed', { error });
      }
    }
  }

  clear(): void {
    this.#listeners.clear();
  }
}

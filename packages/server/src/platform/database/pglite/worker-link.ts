/**
 * One worker thread and the port to it: numbers the requests and matches the answers. Once the
 * worker has died, by itself or by `close`, the link has `failed` for good.
 */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { unavailable } from '../errors.ts';
import type { Answer, Notification, Outgoing, Request, WorkerSettings } from './messages.ts';

/** A worker that does not close the database, and then end, in these times is killed. */
const CLOSE_TIMEOUT_MS = 10_000;
const EXIT_TIMEOUT_MS = 1_000;

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

export class WorkerLink {
  onNotification: ((notification: Notification) => void) | undefined;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #failed: Error | undefined;

  private constructor(worker: Worker) {
    this.#worker = worker;
    this.#port = attach(worker);
    this.#port.on('message', (message: Outgoing) => this.#receive(message));
    worker.on('error', error => this.#fail(unavailable('The database failed.', error)));
    worker.on('exit', () => this.#fail(unavailable('The database has stopped.')));
  }

  /** Resolves when the database is open; throws what kept it from that. */
  static async open(settings: WorkerSettings): Promise<WorkerLink> {
    const entry = new URL('./worker.ts', import.meta.url);
    const worker = new Worker(entry, { workerData: settings, name: 'pglite' });
    await new Promise<void>((resolve, reject) => {
      worker.once('message', () => resolve());
      worker.once('error', reject);
      worker.once('exit', code => reject(new Error(`the PGlite worker ended (${code})`)));
    });
    worker.removeAllListeners();
    return new WorkerLink(worker);
  }

  /** Why this link is of no use any more. */
  get failed(): Error | undefined {
    return this.#failed;
  }

  /** Another port to the same database, for another thread. */
  connect(): MessagePort {
    return attach(this.#worker);
  }

  ask(request: Request): Promise<Answer> {
    if (this.#failed) return Promise.reject(this.#failed);
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#lastId += 1;
    this.#waiting.set(this.#lastId, { resolve, reject });
    this.#port.postMessage({ id: this.#lastId, request });
    return promise;
  }

  /** Asks the worker to close the database, and ends it either way. */
  async close(): Promise<void> {
    if (!this.#failed) {
      const gone = new Promise<void>(resolve => this.#worker.once('exit', () => resolve()));
      await within(CLOSE_TIMEOUT_MS, this.ask({ kind: 'close' }));
      this.#port.close();
      await within(EXIT_TIMEOUT_MS, gone);
    }
    await this.kill();
  }

  /** Ends the thread at once, whatever it does. */
  async kill(): Promise<void> {
    this.#fail(unavailable('The database is closed.'));
    this.#port.close();
    await this.#worker.terminate();
  }

  #receive(message: Outgoing): void {
    if ('notification' in message) {
      this.onNotification?.(message.notification);
      return;
    }
    this.#waiting.get(message.id)?.resolve(message);
    this.#waiting.delete(message.id);
  }

  #fail(error: Error): void {
    this.#failed ??= error;
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}

/** Waits for the outcome, whatever it is, but not longer than so. */
async function within(timeoutMs: number, outcome: Promise<unknown>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, timeoutMs);
  await Promise.race([outcome.catch(() => {}), late]);
  clearTimeout(timer);
}

function attach(worker: Worker): MessagePort {
  const { port1, port2 } = new MessageChannel();
  worker.postMessage({ attach: port2 }, [port2]);
  return port1;
}

/** Serves one MessagePort: runs its requests on PGlite and keeps its transaction, if it has one. */
import type { PGlite } from '@electric-sql/pglite';
import { sqlErrorFields } from '../errors.ts';
import { ACQUIRE_TIMEOUT_MS } from '../session.ts';
import type { Answer, NumberedRequest, Outgoing, Refusal, Request } from './messages.ts';
import { type Turns, WaitedTooLong } from './turns.ts';

/**
 * The caller rolls back at its own deadline; the worker follows this much later, for callers that
 * cannot.
 */
const TIMEOUT_GRACE_MS = 250;
const BEGIN = /^\s*(begin|start\s+transaction)\b/i;

export interface PortServerParts {
  readonly lite: PGlite;
  readonly turns: Turns;
  send(message: Outgoing): void;
  readonly firstTransaction: number;
  /** The database was closed at this port's request. */
  onClosed(): void;
}

interface OpenTransaction {
  readonly id: number;
  readonly endTurn: () => void;
  readonly timer: NodeJS.Timeout;
  /** A statement failed, so PostgreSQL may turn COMMIT into ROLLBACK. */
  suspect: boolean;
}

class Refused extends Error {
  readonly refusal: Refusal;
  constructor(refusal: Refusal, message: string) {
    super(message);
    this.refusal = refusal;
  }
}

export class PortServer {
  readonly #parts: PortServerParts;
  readonly #transactions = new Map<number, OpenTransaction>();
  readonly #listening = new Map<string, () => Promise<void>>();
  #lastTransaction: number;
  #abandoned = false;

  constructor(parts: PortServerParts) {
    this.#parts = parts;
    this.#lastTransaction = parts.firstTransaction;
  }

  /** Answers exactly once. A crash of PGlite itself is thrown on and ends the thread. */
  async handle({ id, request }: NumberedRequest): Promise<void> {
    let answer: Answer;
    try {
      answer = { id, ok: true, value: await this.#run(request) };
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) throw error;
      answer = { id, ok: false, ...describe(error) };
    }
    this.#parts.send(answer);
    if (request.kind === 'close') this.#parts.onClosed();
  }

  /** The port is gone: whatever it had open ends. */
  async abandon(): Promise<void> {
    this.#abandoned = true;
    for (const tx of this.#transactions.keys()) await this.#rollback(tx);
    for (const stop of this.#listening.values()) await this.#alone(stop);
    this.#listening.clear();
  }

  #run(request: Request): Promise<unknown> {
    switch (request.kind) {
      case 'query':
      case 'exec':
        return request.tx === undefined ? this.#single(request) : this.#inside(request.tx, request);
      case 'begin':
        return this.#begin(request.timeoutMs);
      case 'commit':
        return this.#commit(request.tx);
      case 'rollback':
        return this.#rollback(request.tx);
      case 'listen':
        return this.#listen(request.channel);
      case 'unlisten':
        return this.#unlisten(request.channel);
      case 'dump':
        return this.#alone(() => this.#dump());
      case 'close':
        return this.#close();
    }
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    const endTurn = await this.#parts.turns.take(ACQUIRE_TIMEOUT_MS);
    try {
      return await work();
    } finally {
      endTurn();
    }
  }

  #single(request: Extract<Request, { kind: 'query' | 'exec' }>): Promise<unknown> {
    if (request.kind === 'query' && BEGIN.test(request.sql)) {
      throw new Refused('failed', 'BEGIN outside of transaction() would catch other callers');
    }
    return this.#alone(async () => {
      try {
        return await this.#statement(request);
      } finally {
        // A script may have opened a transaction and failed inside it.
        if (request.kind === 'exec') await this.#parts.lite.exec('rollback');
      }
    });
  }

  #statement(request: Extract<Request, { kind: 'query' | 'exec' }>): Promise<unknown> {
    const { lite } = this.#parts;
    if (request.kind === 'exec') return lite.exec(request.sql);
    return lite.query(request.sql, [...request.parameters]);
  }

  async #begin(timeoutMs: number): Promise<number> {
    const endTurn = await this.#parts.turns.take(ACQUIRE_TIMEOUT_MS);
    try {
      if (this.#abandoned) throw new Refused('timed-out', 'the caller is gone');
      await this.#parts.lite.exec('begin');
    } catch (error) {
      endTurn();
      throw error;
    }
    this.#lastTransaction += 1;
    const id = this.#lastTransaction;
    const timer = setTimeout(() => this.#rollback(id), timeoutMs + TIMEOUT_GRACE_MS);
    this.#transactions.set(id, { id, endTurn, timer, suspect: false });
    return id;
  }

  async #inside(tx: number, request: Extract<Request, { kind: 'query' | 'exec' }>) {
    const transaction = this.#find(tx);
    try {
      return await this.#statement(request);
    } catch (error) {
      transaction.suspect = true;
      throw error;
    }
  }

  async #commit(tx: number): Promise<void> {
    const transaction = this.#find(tx);
    try {
      if (transaction.suspect) await this.#parts.lite.query('select 1');
    } catch {
      await this.#rollback(tx);
      throw new Refused('aborted', 'the transaction was rolled back instead of committed');
    }
    await this.#end(transaction, 'commit');
  }

  async #rollback(tx: number): Promise<void> {
    const transaction = this.#transactions.get(tx);
    if (transaction) await this.#end(transaction, 'rollback');
  }

  async #end(transaction: OpenTransaction, how: 'commit' | 'rollback'): Promise<void> {
    this.#transactions.delete(transaction.id);
    clearTimeout(transaction.timer);
    try {
      await this.#parts.lite.exec(how);
    } finally {
      transaction.endTurn();
    }
  }

  #find(tx: number): OpenTransaction {
    const transaction = this.#transactions.get(tx);
    if (!transaction) throw new Refused('timed-out', 'the transaction is over');
    return transaction;
  }

  async #listen(channel: string): Promise<void> {
    const { lite, send } = this.#parts;
    if (this.#listening.has(channel)) return;
    const onPayload = (payload: string) => send({ notification: { channel, payload } });
    this.#listening.set(channel, await this.#alone(() => lite.listen(channel, onPayload)));
  }

  async #unlisten(channel: string): Promise<void> {
    const stop = this.#listening.get(channel);
    this.#listening.delete(channel);
    if (stop) await this.#alone(stop);
  }

  async #dump(): Promise<ArrayBuffer> {
    const file = await this.#parts.lite.dumpDataDir('none');
    return file.arrayBuffer();
  }

  async #close(): Promise<void> {
    for (const tx of this.#transactions.keys()) await this.#rollback(tx);
    const endTurn = await this.#parts.turns.take(ACQUIRE_TIMEOUT_MS);
    await this.#parts.lite.close();
    endTurn();
  }
}

function describe(error: unknown) {
  const sql = sqlErrorFields(error);
  if (sql) return { sql };
  if (error instanceof Refused) return { refusal: error.refusal, message: error.message };
  if (error instanceof WaitedTooLong) {
    return { refusal: 'waited-too-long', message: 'waited too long for the database' } as const;
  }
  return { refusal: 'failed', message: error instanceof Error ? error.message : 'failed' } as const;
}

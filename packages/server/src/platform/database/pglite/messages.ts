/**
 * What crosses the MessagePort between the server's threads and the PGlite worker. Every request
 * has a number and gets exactly one answer; notifications come unasked. `tx` names the transaction
 * a statement belongs to; without it the statement runs on its own, when no transaction is open.
 */
import type { MessagePort } from 'node:worker_threads';
import type { SqlErrorFields } from '../errors.ts';

export type Request =
  | { kind: 'query'; tx?: number | undefined; sql: string; parameters: readonly unknown[] }
  | { kind: 'exec'; tx?: number | undefined; sql: string }
  | { kind: 'begin'; timeoutMs: number }
  | { kind: 'commit'; tx: number }
  | { kind: 'rollback'; tx: number }
  | { kind: 'listen'; channel: string }
  | { kind: 'unlisten'; channel: string }
  | { kind: 'dump' }
  | { kind: 'close' };

export interface NumberedRequest {
  readonly id: number;
  readonly request: Request;
}

/** One statement's outcome, as PGlite gives it. */
export interface StatementResult {
  readonly rows: Record<string, unknown>[];
  readonly affectedRows?: number;
}

/** Why a request failed without the database having refused it. */
export type Refusal = 'timed-out' | 'waited-too-long' | 'aborted' | 'failed';

export type Answer =
  | { id: number; ok: true; value: unknown }
  | { id: number; ok: false; sql: SqlErrorFields }
  | { id: number; ok: false; refusal: Refusal; message: string };

export interface Notification {
  readonly channel: string;
  readonly payload: string;
}

export type Outgoing = Answer | { notification: Notification };

/** What the worker is started with. */
export interface WorkerSettings {
  /** Where PGlite keeps its files; in memory when left out. */
  readonly folder?: string | undefined;
  /** A dump (`dump`) to start a new database from. */
  readonly dumpFile?: string | undefined;
  /**
   * Transactions are numbered from here: a worker that replaces a dead one must not take a
   * straggler's number for one of its own.
   */
  readonly firstTransaction?: number | undefined;
}

/** Control of the worker itself, on its parent port. */
export type Control = { attach: MessagePort };

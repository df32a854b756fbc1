import type { EventEnvelope, EventType, SubjectKind } from '@holdfast/protocol';
import type { Executor, Trx } from '../database/index.ts';

/** One row per piece of work: the facts that several features share. */
export interface Subject {
  readonly id: string;
  readonly kind: SubjectKind;
  readonly projectId: string;
  readonly createdBy: string;
  readonly lastSeq: number;
  readonly fence: number;
  readonly createdAt: Date;
  /** Set once log and artifacts were erased; the row stays as a tombstone. */
  readonly erasedAt: Date | null;
}

export interface NewEvent {
  readonly type: EventType;
  /** Public fields as the catalogue declares them. */
  readonly data: Record<string, unknown>;
  /** Private fields; stored encrypted. */
  readonly private?: Record<string, unknown>;
  readonly traceId?: string;
}

/** An event that the catalogue allows, with defaults filled in, ready to be stored. */
export interface CheckedEvent {
  readonly type: string;
  readonly v: number;
  readonly kind: SubjectKind | 'any';
  /** The public fields as JSON text. */
  readonly data: string;
  /** The private fields, or undefined when the event has none. */
  readonly private: Record<string, unknown> | undefined;
  readonly traceId: string | null;
  /** Public and private fields together, as JSON. */
  readonly sizeBytes: number;
}

export interface AppendRequest {
  readonly subject: string;
  readonly actor: string;
  /**
   * A UUIDv7 the producer makes and keeps until acknowledged. The same id again changes nothing
   * and answers the numbers of the first time.
   */
  readonly appendId: string;
  /** Checked here, unless a journal has done so as it took them. */
  readonly events: readonly (NewEvent | CheckedEvent)[];
  /** Of events that name none; default: that of the subject's first event. */
  readonly traceId?: string | undefined;
  /** The driver's fencing token; left out for control events. A stale one throws `conflict`. */
  readonly fence?: number;
  readonly attempt?: number;
}

export interface ReadRequest {
  readonly subject: string;
  /** Events with a larger `seq`. */
  readonly after: number;
  /** Events in one answer or batch; held to `READ_MAX_EVENTS`. */
  readonly limit: number;
  /** True for the creator and for Admins: private fields are opened; else left out. */
  readonly includePrivate: boolean;
}

export interface Log {
  /** Inserts the subject's row; its log is empty. */
  create(
    trx: Trx,
    subject: { id: string; kind: SubjectKind; projectId: string; createdBy: string },
  ): Promise<void>;
  /**
   * Appends in order, at most `APPEND_MAX_EVENTS` at once, and answers their numbers. Must be the
   * last step of its transaction: it locks the subject's row. Rings the doorbell after commit
   * when called through `appendNow`; callers of `append` ring themselves with `ring`.
   *
   * Throws `not_found` without such a subject, `gone` when it was erased, `conflict` for a stale
   * fence, `invalid_request` and `payload_too_large` for events the catalogue does not allow. Each
   * rolls the whole transaction back. An append id seen before wins over a stale fence: what was
   * written stays acknowledged.
   */
  append(trx: Trx, request: AppendRequest): Promise<number[]>;
  /** `append` in a transaction of its own, then the doorbell. */
  appendNow(request: AppendRequest): Promise<number[]>;
  ring(subject: string): void;
  subject(executor: Executor, id: string): Promise<Subject | null>;
  read(executor: Executor, request: ReadRequest): Promise<EventEnvelope[]>;
  /** How many events a log has, and the bytes of their fields as they are stored. */
  useOf(executor: Executor, subject: string): Promise<{ events: number; sizeBytes: number }>;
  /** Whether the event `upTo`, or one of the `READ_MAX_EVENTS` before it, is of these types. */
  hasAnyOf(
    executor: Executor,
    subject: string,
    types: readonly string[],
    upTo: number,
  ): Promise<boolean>;
  /**
   * Yields batches of events after `after`, in order, without gaps, until aborted or the subject
   * is erased: first what is there, then what comes. One poll a second per process serves all
   * followers; the doorbell only makes it faster. Between batches a follower holds no events.
   * Throws when the first read fails, or `unavailable` above `FOLLOWERS_MAX`; later outages of the
   * database are waited out.
   */
  follow(request: ReadRequest, signal: AbortSignal): AsyncIterable<EventEnvelope[]>;
  /**
   * Deletes the events and the data key and marks the subject erased; its row stays. Erasing again
   * is no error. Throws `not_found` without such a subject.
   */
  erase(trx: Trx, subject: string): Promise<void>;
  /**
   * Subjects of a kind that are here though their key was erased: a backup of the data brought them
   * back, and the newer backup of the keys knows that they were erased. By id, after `after`.
   */
  broughtBack(
    executor: Executor,
    query: { readonly kind: SubjectKind; readonly after: string; readonly limit: number },
  ): Promise<string[]>;
}

export const APPEND_MAX_EVENTS = 200;
/** The largest page of a read; a page may thus hold 200 × `EVENT_DATA_MAX_BYTES`. */
export const READ_MAX_EVENTS = 200;
/** How late a follower notices an event whose ring was lost. */
export const POLL_INTERVAL_MS = 1_000;
/** Open readers per process; the poll names each followed subject once. */
export const FOLLOWERS_MAX = 10_000;

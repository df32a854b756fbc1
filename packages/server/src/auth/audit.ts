import type { auditEntry } from '@holdfast/protocol';
import { sql } from 'kysely';
import type { z } from 'zod';
import { newId } from '../kernel/index.ts';
import type { Database, Executor } from '../platform/database/index.ts';
import type { RateLimiter } from '../platform/limits/index.ts';
import type { Telemetry } from '../platform/telemetry/index.ts';
import { DEFAULT_PROJECT } from './projects.ts';
import { type AuditRow, tables } from './tables.ts';

export interface AuditRecord {
  /** A principal's id, or `anonymous`. */
  readonly principal: string;
  /** Null when the caller was not recognised. */
  readonly projectId: string | null;
  /** A policy's id, or a verb of ours such as `keys.create`. */
  readonly action: string;
  readonly target?: string | null;
  readonly outcome: 'allowed' | 'denied';
  readonly reason?: string | null;
  readonly requestId: string;
}

/** The append-only record of Admins' acts and of denied requests. */
export interface Audit {
  /** Writes an act of an Admin, in the act's own transaction where it has one. */
  record(record: AuditRecord, executor?: Executor): Promise<void>;
  /**
   * Writes a denial without making the caller wait. Beyond `DENIALS` a minute of one principal, or
   * of all strangers together, or while `PENDING_MAX` wait for the database, denials are counted
   * instead of written. What strangers do leaves the room of those who are known.
   */
  denied(record: Omit<AuditRecord, 'outcome'>): void;
  /** Newest first. Denials that belong to no project are shown to Admins of `default`. */
  list(projectId: string, page: { limit: number; cursor?: string | undefined }): Promise<AuditPage>;
  /** Resolves when all denials accepted so far are written; for draining and for tests. */
  flush(): Promise<void>;
  /** Deletes rows older than `retentionDays`; answers how many. */
  sweep(retentionDays: number): Promise<number>;
}

interface AuditPage {
  data: z.infer<typeof auditEntry>[];
  next_cursor: string | null;
}

/** Denials of one bucket written a minute, over all replicas that share a limiter. */
export const DENIALS = { perMinute: 120, burst: 120 };
export const PENDING_MAX = 100;
/** The principal of requests whose caller was not recognised. */
export const STRANGER = 'anonymous';
/** Reasons and targets are cut here. */
const TEXT_MAX_CHARS = 300;

export interface AuditDeps {
  readonly database: Database;
  readonly limiter: RateLimiter;
  readonly telemetry: Telemetry;
}

export function createAudit(deps: AuditDeps): Audit {
  const { database, telemetry } = deps;
  const dropped = telemetry.meter.createCounter('holdfast_audit_dropped_total');
  const waiting = { strangers: new Set<Promise<void>>(), known: new Set<Promise<void>>() };

  async function writeDenial(record: Omit<AuditRecord, 'outcome'>): Promise<void> {
    const { allowed } = await deps.limiter.take(`audit:${record.principal}`, DENIALS);
    if (!allowed) return dropped.add(1);
    try {
      await insert(database.db, { ...record, outcome: 'denied' });
    } catch (err) {
      dropped.add(1);
      telemetry.log.warn('audit.failed', { request_id: record.requestId, err });
    }
  }

  return {
    record: (record, executor) => insert(executor ?? database.db, record),
    denied(record) {
      const pending = record.principal === STRANGER ? waiting.strangers : waiting.known;
      if (pending.size >= PENDING_MAX) return dropped.add(1);
      const writing = writeDenial(record).finally(() => pending.delete(writing));
      pending.add(writing);
    },
    list: (projectId, page) => list(database.db, projectId, page),
    async flush() {
      await Promise.all([...waiting.strangers, ...waiting.known]);
    },
    async sweep(retentionDays) {
      const { numDeletedRows } = await tables(database.db)
        .deleteFrom('audit_log')
        .where('created_at', '<', sql<Date>`now() - make_interval(days => ${retentionDays})`)
        .executeTakeFirst();
      return Number(numDeletedRows);
    },
  };
}

async function insert(executor: Executor, record: AuditRecord): Promise<void> {
  await tables(executor)
    .insertInto('audit_log')
    .values({
      id: newId('aud'),
      principal: record.principal,
      project_id: record.projectId,
      action: record.action,
      target: cut(record.target),
      outcome: record.outcome,
      reason: cut(record.reason),
      request_id: record.requestId,
    })
    .execute();
}

async function list(
  executor: Executor,
  projectId: string,
  page: { limit: number; cursor?: string | undefined },
): Promise<AuditPage> {
  let query = tables(executor)
    .selectFrom('audit_log')
    .selectAll()
    .where(row =>
      projectId === DEFAULT_PROJECT
        ? row.or([row('project_id', '=', projectId), row('project_id', 'is', null)])
        : row('project_id', '=', projectId),
    )
    .orderBy('id', 'desc')
    .limit(page.limit + 1);
  if (page.cursor !== undefined) query = query.where('id', '<', page.cursor);
  const rows = await query.execute();
  const shown = rows.slice(0, page.limit);
  return {
    data: shown.map(present),
    next_cursor: rows.length > page.limit ? (shown.at(-1)?.id ?? null) : null,
  };
}

function present(row: Omit<AuditRow, 'created_at'> & { created_at: Date }) {
  return {
    id: row.id,
    at: row.created_at.toISOString(),
    principal: row.principal,
    project_id: row.project_id,
    action: row.action,
    target: row.target,
    outcome: row.outcome,
    reason: row.reason,
    request_id: row.request_id,
  };
}

function cut(text: string | null | undefined): string | null {
  return text ? text.slice(0, TEXT_MAX_CHARS) : null;
}

import type { FastifyReply, FastifyRequest } from 'fastify';
import { authorize, notFound, type Principal, type StreamTickets } from '../../auth/index.ts';
import { openSse, SSE_LIMITS, type SseLimits, type SseStream } from '../../http/index.ts';
import { type Component, HoldfastError } from '../../kernel/index.ts';
import type { Database } from '../../platform/database/index.ts';
import type { Log, Subject } from '../../platform/log/index.ts';
import type { Telemetry } from '../../platform/telemetry/index.ts';
import { type AuditDeps, recordAdmin, seesPrivate } from '../../work/index.ts';
import * as queries from '../queries.ts';
import { isFinal } from '../run.ts';
import { Feeds } from './feed.ts';
import { frameOf } from './frames.ts';
import { pump, type Strand, type View } from './line.ts';

/** How often the right to read is judged again while a stream is open. */
export const RECHECK_MS = 30_000;
/** Open streams per process. */
export const STREAMS_MAX = 10_000;

export interface StreamDeps extends AuditDeps {
  readonly database: Database;
  readonly log: Log;
  readonly telemetry: Telemetry;
  readonly tickets: Pick<StreamTickets, 'mint'>;
  /** Default `SSE_LIMITS`. */
  readonly sseLimits?: Partial<SseLimits>;
  /** Default `RECHECK_MS`. */
  readonly recheckMs?: number;
  /** Default `STREAMS_MAX`. */
  readonly streamsMax?: number;
}

/** What a stream is opened with: subjects, and the last event of each that its reader knows. */
export type Positions = ReadonlyMap<string, number>;

export interface StreamPlan {
  readonly positions: Positions;
  /** Those that were looked up already, and may be read. */
  readonly known?: ReadonlyMap<string, Subject>;
  readonly view: (strands: readonly Strand[]) => View;
  /** Sent first, without an `id`. */
  readonly greeting?: string;
}

/**
 * The open streams of this process. Rights are judged when a stream opens and again every
 * `RECHECK_MS`; one whose reader may no longer read, or sees more or less than before, ends, and
 * the client's next request is answered as it deserves.
 */
export class Streams implements Component {
  readonly name = 'run streams';
  readonly #deps: StreamDeps;
  readonly #feeds: Feeds;
  readonly #limits: SseLimits;
  readonly #open = new Set<SseStream>();
  #draining = false;

  constructor(deps: StreamDeps) {
    this.#deps = deps;
    this.#feeds = new Feeds(deps);
    this.#limits = { ...SSE_LIMITS, ...deps.sseLimits };
    deps.telemetry.meter
      .createObservableGauge('holdfast_streams_open')
      .addCallback(result => result.observe(this.#open.size));
  }

  get size(): number {
    return this.#open.size;
  }

  /** Open feeds: one for each followed log and kind of reader. */
  get feeds(): number {
    return this.#feeds.size;
  }

  /** Ends all streams after a whole event; their clients go on elsewhere. */
  async drain(): Promise<void> {
    this.#draining = true;
    for (const stream of this.#open) stream.end();
  }

  /** The subject, if its reader may follow it; else the same 404 as for none. */
  async subject(principal: Principal, id: string): Promise<Subject> {
    const { ticketSubjects } = principal;
    const found = await this.#deps.log.subject(this.#deps.database.db, id);
    authorize('streams.read', principal, found);
    if (ticketSubjects?.includes(id) === false) throw notFound();
    return found!;
  }

  /** Answers a request with a stream, or with 204 when there is nothing that could still come. */
  async answer(request: FastifyRequest, reply: FastifyReply, plan: StreamPlan): Promise<unknown> {
    const subjects = await this.#subjects(request.principal, plan);
    if (await this.#isOver(subjects, plan.positions)) return reply.status(204).send();
    await this.#recordAdmin(request, subjects);
    // Last, and nothing is waited for from here on: the bound holds however many come at once.
    this.#assertRoom();
    const strands = subjects.map(subject => this.#strand(request.principal, subject, plan));
    const stream = openSse(reply, this.#limits);
    this.#open.add(stream);
    try {
      if (plan.greeting !== undefined) stream.send(plan.greeting);
      const recheck = this.#watch(request, stream, subjects);
      try {
        await pump(stream, strands, plan.view(strands));
      } finally {
        clearInterval(recheck);
      }
    } catch (error) {
      this.#deps.telemetry.log.warn('stream.failed', { request_id: request.id, error });
    } finally {
      for (const strand of strands) strand.feed.leave();
      this.#open.delete(stream);
      stream.end();
    }
    return reply;
  }

  #assertRoom(): void {
    const max = this.#deps.streamsMax ?? STREAMS_MAX;
    if (!this.#draining && this.#open.size < max) return;
    throw new HoldfastError('unavailable', 'No more streams are opened here.', { retryAfterS: 1 });
  }

  async #subjects(principal: Principal, { positions, known }: StreamPlan): Promise<Subject[]> {
    const subjects: Subject[] = [];
    for (const [id, position] of positions) {
      const subject = known?.get(id) ?? (await this.subject(principal, id));
      if (subject.erasedAt !== null) {
        throw new HoldfastError('gone', 'This piece of work was erased.');
      }
      if (position > subject.lastSeq) {
        throw new HoldfastError('invalid_request', 'The cursor is beyond the end of the log.', {
          field: 'last-event-id',
        });
      }
      subjects.push(subject);
    }
    return subjects;
  }

  /** Whether the reader already has the terminal event of every subject. */
  async #isOver(subjects: readonly Subject[], positions: Positions): Promise<boolean> {
    for (const subject of subjects) {
      if (!(await this.#hasEnding(subject, positions.get(subject.id) ?? 0))) return false;
    }
    return true;
  }

  async #hasEnding(subject: Subject, position: number): Promise<boolean> {
    if (subject.kind !== 'run' || position === 0) return false;
    const { database, log } = this.#deps;
    const status = await queries.findRunStatus(database.db, subject.id);
    if (status === undefined || !isFinal(status)) return false;
    // What comes after the ending, such as a push, is little; the ending is near the end.
    const rest = await log.read(database.db, {
      subject: subject.id,
      after: position,
      limit: 200,
      includePrivate: false,
    });
    return !rest.map(frameOf).some(frame => frame.ends) && rest.length < 200;
  }

  #strand(principal: Principal, subject: Subject, plan: StreamPlan): Strand {
    const includePrivate = seesPrivate(principal, subject.createdBy);
    const position = plan.positions.get(subject.id) ?? 0;
    const key = { subject: subject.id, includePrivate };
    const feed = this.#feeds.join(key, subject.lastSeq, position);
    return { subject: subject.id, feed, position, ended: false };
  }

  /** An Admin who follows the private fields of somebody else's work is on record. */
  async #recordAdmin(request: FastifyRequest, subjects: readonly Subject[]): Promise<void> {
    const { principal, id: requestId } = request;
    if (principal.role !== 'Admin') return;
    for (const subject of subjects) {
      if (subject.createdBy === principal.id) continue;
      const act = {
        caller: { principal, requestId },
        action: 'streams.read',
        target: subject.id,
      };
      await recordAdmin(this.#deps.audit, 'admin', act);
    }
  }

  #watch(request: FastifyRequest, stream: SseStream, subjects: readonly Subject[]): NodeJS.Timeout {
    const before = request.principal;
    const judge = async () => {
      await request.reauthenticate();
      const now = request.principal;
      for (const { id, createdBy } of subjects) {
        await this.subject(now, id);
        if (seesPrivate(now, createdBy) !== seesPrivate(before, createdBy)) throw notFound();
      }
    };
    return setInterval(() => {
      judge().catch((error: unknown) => {
        // A database that is away takes nobody's right; the next look is soon.
        if (error instanceof HoldfastError && error.code === 'unavailable') return;
        stream.end();
      });
    }, this.#deps.recheckMs ?? RECHECK_MS);
  }
}

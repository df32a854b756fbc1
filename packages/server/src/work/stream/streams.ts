import type { FastifyReply, FastifyRequest } from 'fastify';
import { authorize, notFound, type Principal, type Watch } from '../../auth/index.ts';
import { openSse, SSE_LIMITS, type SseLimits, type SseStream } from '../../http/index.ts';
import { type Component, HoldfastError } from '../../kernel/index.ts';
import type { Database } from '../../platform/database/index.ts';
import type { Log, Subject } from '../../platform/log/index.ts';
import type { Telemetry } from '../../platform/telemetry/index.ts';
import { type AuditDeps, recordAdmin, seesPrivate } from '../access.ts';
import type { Kinds } from '../kinds.ts';
import { Feeds } from './feed.ts';
import { pump, type Subscription, type View } from './writer.ts';

/** How often the right to read is judged again while a stream is open. */
const RECHECK_MS = 30_000;
/** Open streams per process. */
const STREAMS_MAX = 10_000;

export interface StreamDeps extends AuditDeps {
  readonly database: Database;
  readonly log: Log;
  readonly kinds: Kinds;
  readonly telemetry: Telemetry;
  readonly watch: Pick<Watch, 'follow'>;
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
  readonly view: (subscriptions: readonly Subscription[]) => View;
  /** Sent first, without an `id`. */
  readonly greeting?: string;
}

/**
 * The open streams of this process. Rights are judged when a stream opens, as soon as the role
 * behind it changes, and every `RECHECK_MS`; one whose reader may no longer read, or sees more or
 * less than before, ends, and the client's next request is authorised afresh.
 */
export class Streams implements Component {
  readonly name = 'streams';
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
    const { ticketSubjects, scopes } = principal;
    const found = await this.#deps.log.subject(this.#deps.database.db, id);
    authorize('streams.read', principal, found);
    if (ticketSubjects?.includes(id) === false) throw notFound();
    const scope = this.#deps.kinds.ofId(id)?.scope;
    const inScope = scopes?.some(one => one === 'read' || one === scope) ?? true;
    if (!inScope) throw notFound();
    return found!;
  }

  /** Answers a request with a stream, or with 204 when there is nothing that could still come. */
  async answer(request: FastifyRequest, reply: FastifyReply, plan: StreamPlan): Promise<unknown> {
    const subjects = await this.#subjects(request.principal, plan);
    if (await this.#isOver(subjects, plan.positions)) return reply.status(204).send();
    await this.#recordAdmin(request, subjects);
    // Last, and without an `await` after it: the bound holds for simultaneous requests.
    if (this.#draining || this.#open.size >= (this.#deps.streamsMax ?? STREAMS_MAX)) {
      throw new HoldfastError('unavailable', 'No more streams are opened here.', {
        retryAfterS: 1,
      });
    }
    const subscriptions = subjects.map(subject =>
      this.#subscribe(request.principal, subject, plan.positions),
    );
    const stream = openSse(reply, this.#limits);
    this.#open.add(stream);
    try {
      if (plan.greeting !== undefined) stream.send(plan.greeting);
      const unwatch = this.#watch(request, stream, subjects);
      try {
        await pump(stream, subscriptions, plan.view(subscriptions));
      } finally {
        unwatch();
      }
    } catch (error) {
      this.#deps.telemetry.log.warn('stream.failed', { request_id: request.id, error });
    } finally {
      for (const { feed } of subscriptions) feed.leave();
      this.#open.delete(stream);
      stream.end();
    }
    return reply;
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

  /**
   * Whether the reader already has the ending of every subject: it is the last event that the
   * stream sent, or, for a reader that got later facts elsewhere, one of the events before.
   */
  async #isOver(subjects: readonly Subject[], positions: Positions): Promise<boolean> {
    const { database, log, kinds } = this.#deps;
    for (const { id } of subjects) {
      const position = positions.get(id) ?? 0;
      const endings = kinds.ofId(id)?.endings ?? [];
      if (position === 0 || endings.length === 0) return false;
      if (!(await log.hasAnyOf(database.db, id, endings, position))) return false;
    }
    return true;
  }

  #subscribe(principal: Principal, subject: Subject, positions: Positions): Subscription {
    const { id, createdBy, lastSeq } = subject;
    const kind = this.#deps.kinds.ofId(id)!;
    const position = positions.get(id) ?? 0;
    const key = { subject: id, kind, includePrivate: seesPrivate(principal, createdBy) };
    const feed = this.#feeds.join(key, lastSeq, position);
    return { subject: id, kind, feed, position, ended: false };
  }

  /** Records that an Admin follows the private fields of another's work. */
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

  #watch(request: FastifyRequest, stream: SseStream, subjects: readonly Subject[]): () => void {
    const before = request.principal;
    const look = async () => {
      await request.reauthenticate();
      const now = request.principal;
      for (const { id, createdBy } of subjects) {
        await this.subject(now, id);
        if (seesPrivate(now, createdBy) !== seesPrivate(before, createdBy)) throw notFound();
      }
    };
    const judge = () => {
      look().catch((error: unknown) => {
        // The database is away: the right holds until the next check, which is soon.
        if (error instanceof HoldfastError && error.code === 'unavailable') return;
        stream.end();
      });
    };
    // No role is final, also where the guard cannot ask the identity provider.
    const unfollow = this.#deps.watch.follow(before, role =>
      role === null ? stream.end() : judge(),
    );
    const timer = setInterval(judge, this.#deps.recheckMs ?? RECHECK_MS);
    return () => {
      clearInterval(timer);
      unfollow();
    };
  }
}

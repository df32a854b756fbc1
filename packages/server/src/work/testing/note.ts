/**
 * For tests: a new kind of work in one file, its wiring included. A note of so many words is
 * written by a worker, one word at a time; its log is the only truth, so that another worker goes
 * on with the next word. What a real feature has elsewhere: its events in the protocol's catalogue
 * and its prefix among the kernel's ids.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { define, EVENTS, type EventType, type SubjectKind } from '@holdfast/protocol';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Auth } from '../../auth/index.ts';
import type { Platform } from '../../compose.ts';
import { type IdPrefix, newId, newUuidV7 } from '../../kernel/index.ts';
import type { Lease } from '../../platform/leases/index.ts';
import type { Feature } from '../../wiring/feature.ts';
import {
  authorizeTarget,
  callerOf,
  creatorOf,
  fencedWrite,
  idParams,
  type Kind,
  type Work,
  type WorkAttempt,
  Worker,
  wakeLost,
  withIdempotency,
} from '../index.ts';
import { streamOne, streamQuery } from '../stream/index.ts';

const WORD_PAUSE_MS = 50;
const kind = 'note' as SubjectKind;
const type = (name: string) => `note.${name}` as EventType;
Object.assign(EVENTS, {
  'note.created': define(kind, 'A note was asked for.', { public: { words: z.number() } }),
  'note.written': define(kind, 'A word was written.', { public: { number: z.number() } }),
  'note.closed': define(kind, 'The note is whole.', { public: {} }),
});

const NOTE: Kind = {
  name: kind,
  prefix: 'nte' as IdPrefix,
  scope: 'read',
  endings: ['note.closed'],
  snapshotUrl: id => `/v1/notes/${id}`,
  queues: [{ name: 'note', subjectKey: 'note_id' }],
};

function createNoteWorker(platform: Platform): Worker<WorkAttempt> {
  const { database, log, leases } = platform;

  async function claim(id: string): Promise<WorkAttempt | undefined> {
    const lease = await database.transaction(trx => leases.acquire(trx, id));
    if (lease === null) return undefined;
    const whole = { subject: id, after: 0, limit: 200, includePrivate: false };
    const events = await log.read(database.db, whole);
    // The job was a second one: there is nothing left to write.
    if (events.at(-1)?.type === 'note.closed')
      return void (await leases.release(database.db, lease));
    const written = events.filter(event => event.type === 'note.written').length;
    return attempt(lease, written, Number(events[0]?.data.words));
  }

  function attempt(lease: Lease, written: number, words: number): WorkAttempt {
    let stopped: 'drain' | 'lost' | undefined;
    const run = async () => {
      for (let number = written + 1; number <= words && stopped === undefined; number += 1) {
        await fencedWrite(platform, { lease }, async () => [
          { type: type('written'), data: { number } },
        ]);
        await delay(WORD_PAUSE_MS);
      }
      if (stopped === 'lost') return;
      if (stopped === undefined) {
        await fencedWrite(platform, { lease }, async () => [{ type: type('closed'), data: {} }]);
      }
      await leases.release(database.db, lease);
    };
    const done = run().catch(error => platform.telemetry.log.warn('note.failed', { error }));
    return {
      done,
      stop: cause => {
        stopped ??= cause;
      },
      hurry() {},
    };
  }

  return new Worker({
    ports: platform,
    kind: NOTE,
    name: 'notes',
    concurrency: 2,
    wakeIntervalMs: 500,
    claim,
    look: async () => {},
    wakeLost: () => wakeLost(platform, NOTE, []),
  });
}

export function openNotes(platform: Platform, { auth, work }: { auth: Auth; work: Work }): Feature {
  const { database, log, queue } = platform;
  work.kinds.add(NOTE);
  return {
    components: [createNoteWorker(platform)],
    routes: [
      async plain => {
        const app = plain.withTypeProvider<ZodTypeProvider>();
        const body = z.strictObject({ words: z.number().int().min(1).max(100) });
        const write = { policy: 'runs.write' };
        app.post('/v1/notes', { config: write, schema: { body } }, async (request, reply) => {
          const { principal, idempotency } = creatorOf(request);
          const id = newId(NOTE.prefix);
          const { answer } = await withIdempotency(database, idempotency, {
            status: 201,
            prepare: async () => {},
            async work(trx) {
              const { projectId, id: createdBy } = principal;
              await log.create(trx, { id, kind, projectId, createdBy });
              await queue.send(trx, 'note', { note_id: id }, { singletonKey: id });
              const events = [{ type: type('created'), data: { words: request.body.words } }];
              const appendId = newUuidV7();
              await log.append(trx, { subject: id, actor: createdBy, appendId, events });
              return { id };
            },
          });
          return reply.status(201).send(answer);
        });
        const one = { config: { policy: 'runs.read' }, schema: { params: idParams } };
        app.get('/v1/notes/:id', one, async request => {
          const { id } = request.params;
          const note = await log.subject(database.db, id);
          await authorizeTarget(auth, callerOf(request), note, { policy: 'runs.read', target: id });
          return { id, last_seq: note!.lastSeq };
        });
        const follow = { params: idParams, querystring: streamQuery };
        app.get(
          '/v1/notes/:id/stream',
          { exposeHeadRoute: false, config: { policy: 'streams.read' }, schema: follow },
          (request, reply) =>
            streamOne(work.streams, request, reply, { id: request.params.id, kind: NOTE }),
        );
      },
    ],
  };
}

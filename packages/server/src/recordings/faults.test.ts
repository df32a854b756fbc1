import { existsSync, utimesSync } from 'node:fs';
import { PassThrough, Readable } from 'node:stream';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { HoldfastError } from '../kernel/index.ts';
import type { BlobStore } from '../platform/blobs/index.ts';
import type { Database } from '../platform/database/index.ts';
import { withDatabase } from '../platform/database/testing.ts';
import { createRecordingSweep } from './index.ts';
import { openRecordingHost, type RecordingHost, sendUpload } from './testing.ts';
import { UPLOADS_PER_OWNER_MAX } from './uploads.ts';

/** Faults in front of the real stores; each is called before the real function. */
interface Faults {
  put?: () => Promise<void>;
  afterPut?: () => Promise<void>;
  delete?: (key: string) => void;
  get?: (body: Readable) => void;
  databaseDown?: boolean;
}

withDatabase(open => {
  let database: Database;
  let host: RecordingHost;
  let faults: Faults = {};

  beforeAll(async () => {
    database = await open();
    host = await openRecordingHost(withOutages(database), withFaults);
  });
  afterAll(() => host.close());
  afterEach(() => {
    faults = {};
  });

  function withFaults(blobs: BlobStore): BlobStore {
    const [put, remove, get] = [blobs.put, blobs.delete, blobs.get].map(f => f.bind(blobs)) as [
      BlobStore['put'],
      BlobStore['delete'],
      BlobStore['get'],
    ];
    return Object.assign(blobs, {
      put: async (key, body, options) => {
        try {
          await faults.put?.();
        } catch (error) {
          body.destroy();
          throw error;
        }
        const info = await put(key, body, options);
        await faults.afterPut?.();
        return info;
      },
      delete: async key => {
        faults.delete?.(key);
        return remove(key);
      },
      get: async (key, range) => {
        const found = await get(key, range);
        if (found) faults.get?.(found.body);
        return found;
      },
    } satisfies Partial<BlobStore>);
  }

  function withOutages(real: Database): Database {
    return new Proxy(real, {
      get(target, name) {
        if (name === 'db' && faults.databaseDown) throw new Error('no database');
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  const fail = (code?: 'storage_full' | 'conflict') => async () => {
    throw code ? new HoldfastError(code, 'Not now.') : new Error('connection reset');
  };
  const rowsOf = async (session: string) =>
    (
      await sql<{ id: string; state: string }>`
        select id, state from recordings where session_id = ${session}`.execute(database.db)
    ).rows;
  const keys = async () => (await Array.fromAsync(host.blobs.list(''))).sort();
  const typesOf = async (session: string) => {
    const page = { subject: session, after: 0, limit: 10, includePrivate: false };
    return (await host.log.read(database.db, page)).map(({ type, actor }) => ({ type, actor }));
  };
  const idOf = async (answer: Response) => ((await answer.json()) as { audio_id: string }).audio_id;
  const sweep = (retentionDays?: number) => {
    const { recordings, spool, telemetry } = host;
    const deps = { database, recordings, spool, telemetry, intervalMs: 60_000, retentionDays };
    return createRecordingSweep(deps).run();
  };

  /** A put that waits until it is released; `reached` resolves when it waits. */
  function holdPut() {
    const reached = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    faults.put = async () => {
      reached.resolve();
      await go.promise;
    };
    return { reached: reached.promise, go: go.resolve };
  }

  describe('an upload that waits for room', () => {
    async function waiting(): Promise<{ session: string; id: string }> {
      const session = await host.newSession('ann');
      faults.put = fail('storage_full');
      expect((await sendUpload(host, session)).status).toBe(507);
      const [row] = await rowsOf(session);
      await expect.poll(() => existsSync(host.spool.path(row!.id))).toBe(true);
      return { session, id: row!.id };
    }

    it('survives another error of the storage, and a sweep', async () => {
      const { session, id } = await waiting();
      faults.put = fail();
      await sweep();
      expect(await rowsOf(session)).toEqual([{ id, state: 'pending' }]);
      expect(existsSync(host.spool.path(id))).toBe(true);
      delete faults.put;
      expect(await host.recordings.uploads.retryKept()).toBe(1);
      expect(await rowsOf(session)).toEqual([{ id, state: 'complete' }]);
      expect(existsSync(host.spool.path(id))).toBe(false);
    });

    it('is removed with its file when its time is over, which retries do not prolong', async () => {
      const { session, id } = await waiting();
      await sql`update recordings set created_at = now() - interval '25 hours',
        kept_until = now() - interval '1 hour' where id = ${id}`.execute(database.db);
      await sweep();
      expect(await rowsOf(session)).toEqual([]);
      expect(existsSync(host.spool.path(id))).toBe(false);
    });

    it('leaves no file for long when another process has erased its session', async () => {
      const [erased, kept] = [await waiting(), await waiting()];
      await sql`delete from recordings where id = ${erased.id}`.execute(database.db);
      const minutesAgo = (minutes: number) => {
        const time = new Date(Date.now() - minutes * 60_000);
        for (const { id } of [erased, kept]) utimesSync(host.spool.path(id), time, time);
      };
      const left = () => [erased, kept].map(({ id }) => existsSync(host.spool.path(id)));
      minutesAgo(29);
      await sweep();
      expect(left()).toEqual([true, true]);
      minutesAgo(31);
      await sweep();
      expect(left()).toEqual([false, true]);
      delete faults.put;
      expect(await host.recordings.uploads.retryKept()).toBe(1);
    });

    it('leaves no file when its bytes were stored by another way', async () => {
      const { session, id } = await waiting();
      delete faults.put;
      expect((await sendUpload(host, session)).status).toBe(201);
      expect(await host.recordings.uploads.retryKept()).toBe(0);
      expect(existsSync(host.spool.path(id))).toBe(false);
    });
  });

  it('keeps a spool file while it cannot be known whether a row needs it', async () => {
    const admitted = host.recordings.uploads.admit('ann');
    await host.recordings.uploads.receive(admitted.id, Readable.from([Buffer.from('x')]));
    faults.databaseDown = true;
    await admitted.release();
    expect(existsSync(host.spool.path(admitted.id))).toBe(true);
    expect(host.telemetry.events()).toContain('recording.spool_left');
    await host.spool.remove(admitted.id);
  });

  it('gives an owner a share of the places, and another what is left', async () => {
    const { uploads } = host.recordings;
    const admitted = Array.from({ length: UPLOADS_PER_OWNER_MAX }, () => uploads.admit('greedy'));
    expect(() => uploads.admit('greedy')).toThrow('Too many uploads');
    const other = uploads.admit('other');
    await admitted[0]!.release();
    admitted[0] = uploads.admit('greedy');
    for (const one of [...admitted, other]) await one.release();
  });

  it('gives up an upload that sends nothing any more, and leaves no file', async () => {
    const slow = new PassThrough();
    slow.write('some');
    const idle = { maxBytes: 100, idleMs: 30 };
    const writing = host.spool.write('rec_idle', slow, idle);
    await expect(writing).rejects.toMatchObject({ code: 'invalid_request', field: 'audio_file' });
    expect(existsSync(host.spool.path('rec_idle'))).toBe(false);
    expect(slow.destroyed).toBe(true);
  });

  describe('the same bytes twice', () => {
    it('answer 409 while the first are being written, and do not disturb them', async () => {
      const session = await host.newSession('ann');
      const held = holdPut();
      const first = sendUpload(host, session);
      await held.reached;
      const second = await sendUpload(host, session);
      expect([second.status, second.headers.get('retry-after')]).toEqual([409, '5']);
      expect(((await second.json()) as { code: string }).code).toBe('conflict');
      held.go();
      const id = await idOf(await first);
      const third = await sendUpload(host, session);
      expect([third.status, await idOf(third)]).toEqual([201, id]);
    });

    it('complete the recording whose first writing failed', async () => {
      const session = await host.newSession('ann');
      faults.put = fail();
      expect((await sendUpload(host, session)).status).toBe(500);
      const [row] = await rowsOf(session);
      const held = holdPut();
      const second = sendUpload(host, session);
      await held.reached;
      expect((await sendUpload(host, session)).status).toBe(409);
      held.go();
      expect(await idOf(await second)).toBe(row!.id);
      expect(await rowsOf(session)).toEqual([{ id: row!.id, state: 'complete' }]);
    });

    it('count once', async () => {
      const session = await host.newSession('ann');
      const before = await host.telemetry.metric('audio_files_saved_total');
      await sendUpload(host, session);
      await sendUpload(host, session);
      expect(await host.telemetry.metric('audio_files_saved_total')).toBe((before ?? 0) + 1);
    });

    it('in the way of another replica’s: 409, unless that one was done', async () => {
      const session = await host.newSession('ann');
      faults.afterPut = fail('conflict');
      expect((await sendUpload(host, session)).status).toBe(409);
      const [row] = await rowsOf(session);
      expect(row!.state).toBe('pending');
      faults.afterPut = async () => {
        await sql`update recordings set state = 'complete', completed_at = now()
          where id = ${row!.id}`.execute(database.db);
        await fail('conflict')();
      };
      const again = await sendUpload(host, session);
      expect([again.status, await idOf(again)]).toEqual([201, row!.id]);
    });
  });

  it('leaves no blob of a session that was erased while it was written', async () => {
    const session = await host.newSession('ann');
    const before = await keys();
    const held = holdPut();
    const answer = sendUpload(host, session);
    await held.reached;
    await database.transaction(async trx => {
      await host.recordings.eraseSession(trx, session);
      await host.log.erase(trx, session);
    });
    await host.recordings.purge();
    held.go();
    expect((await answer).status).toBe(409);
    expect([await keys(), await rowsOf(session)]).toEqual([before, []]);
  });

  it('skips a blob that cannot be deleted, and purges it later', async () => {
    const sessions = [await host.newSession('ann'), await host.newSession('ann')];
    const ids: string[] = [];
    for (const session of sessions) ids.push(await idOf(await sendUpload(host, session)));
    await database.transaction(async trx => {
      for (const session of sessions) await host.recordings.eraseSession(trx, session);
    });
    faults.delete = key => {
      if (key.includes(ids[0]!)) throw new Error('connection reset');
    };
    expect(await host.recordings.purge()).toBe(2);
    expect(host.telemetry.events()).toContain('recording.purge_failed');
    expect(await rowsOf(sessions[0]!)).toHaveLength(1);
    expect(await rowsOf(sessions[1]!)).toHaveLength(0);
    expect(await host.recordings.purge()).toBe(0);
    delete faults.delete;
    await sql`update recordings set kept_until = now() - interval '1 second'
      where id = ${ids[0]}`.execute(database.db);
    expect(await host.recordings.purge()).toBe(1);
    expect(await rowsOf(sessions[0]!)).toHaveLength(0);
  });

  it('closes the audio that it cannot hand out', async () => {
    const session = await host.newSession('ann');
    const id = await idOf(await sendUpload(host, session));
    const opened: Readable[] = [];
    faults.get = body => {
      opened.push(body);
      faults.databaseDown = true;
    };
    expect((await fetch(`${host.url}/v1/recordings/${id}/audio`)).status).toBe(500);
    expect(opened.map(body => body.destroyed)).toEqual([true]);
  });

  it('logs what retention deletes, where the session still has a log', async () => {
    const sessions = [await host.newSession('ann'), await host.newSession('ann')];
    for (const session of sessions) {
      await sendUpload(host, session);
      await sql`update recordings set completed_at = now() - interval '31 days'
        where session_id = ${session}`.execute(database.db);
    }
    await database.transaction(trx => host.log.erase(trx, sessions[1]!));
    await sweep(30);
    for (const session of sessions) expect(await rowsOf(session)).toEqual([]);
    expect(await typesOf(sessions[0]!)).toEqual([
      { type: 'recording.uploaded', actor: 'ann' },
      { type: 'recording.deleted', actor: 'replica:rep_test' },
    ]);
  });
});

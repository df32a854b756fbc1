import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import type { Recording, RecordingList } from '@holdfast/protocol';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { HoldfastError } from '../kernel/index.ts';
import type { BlobStore } from '../platform/blobs/index.ts';
import type { Database } from '../platform/database/index.ts';
import { withDatabase } from '../platform/database/testing.ts';
import { createRecordingSweep } from './index.ts';
import { RECORDINGS_BY_SECRET_MAX } from './service.ts';
import {
  declared,
  fixture,
  openRecordingHost,
  type RecordingHost,
  UPLOAD_MAX_BYTES,
} from './testing.ts';
import { fragmentedMp4 } from './testing-media.ts';

interface Upload {
  session?: string;
  file?: Buffer | string;
  name?: string;
  metadata?: unknown;
  caller?: string;
  more?: (form: FormData) => void;
}

withDatabase(open => {
  let database: Database;
  let host: RecordingHost;
  /** Set to make the blob store refuse writes. */
  let storageFull = false;

  beforeAll(async () => {
    database = await open();
    host = await openRecordingHost(database, faulty);
  });
  afterAll(() => host.close());
  afterEach(() => {
    storageFull = false;
  });

  function faulty(blobs: BlobStore): BlobStore {
    const real = blobs.put.bind(blobs);
    const put: BlobStore['put'] = async (key, body, options) => {
      if (!storageFull) return real(key, body, options);
      body.destroy();
      throw new HoldfastError('storage_full', 'There is no room.');
    };
    return Object.assign(blobs, { put });
  }

  async function upload(session: string, change: Upload = {}): Promise<Response> {
    const form = new FormData();
    const file = change.file ?? (await fixture('webm'));
    form.append('audio_file', new Blob([file as BlobPart]), change.name ?? 'session.webm');
    const metadata = change.metadata ?? declared();
    form.append('metadata', typeof metadata === 'string' ? metadata : JSON.stringify(metadata));
    change.more?.(form);
    return fetch(`${host.url}/audio/upload`, {
      method: 'POST',
      headers: {
        'session-id': change.session ?? session,
        'x-caller': change.caller ?? 'Developer:ann',
      },
      body: form,
    });
  }

  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${host.url}${path}`, { headers });
  const rows = async () =>
    (await sql<{ n: number }>`select count(*) n from recordings`.execute(database.db)).rows[0]!.n;
  const blobs = async () => (await Array.fromAsync(host.blobs.list(''))).length;
  const spooled = async () => (await host.spool.list()).length;

  const idOf = async (answer: Response) => ((await answer.json()) as { audio_id: string }).audio_id;

  /** Neither row nor blob nor spool file may be left of what is refused. */
  async function refused(answer: Response, status: number, field?: string): Promise<void> {
    const body = (await answer.json()) as { field?: string };
    expect([answer.status, body.field]).toEqual([status, field]);
  }

  describe('refuses', () => {
    let session: string;
    let before: [number, number];
    beforeAll(async () => {
      session = await host.newSession('ann');
      before = [await rows(), await blobs()];
    });
    afterEach(async () => {
      await expect.poll(spooled).toBe(0);
      expect([await rows(), await blobs()]).toEqual(before);
    });

    it('an empty file', async () => {
      await refused(await upload(session, { file: '' }), 400, 'audio_file');
    });
    it('what is not audio', async () => {
      await refused(await upload(session, { file: 'not audio at all' }), 422, 'audio_file');
    });
    it('what is cut so early that it holds no audio', async () => {
      const cut = (await fixture('wav')).subarray(0, 44);
      await refused(await upload(session, { file: cut }), 422, 'audio_file');
      const index = (await fixture('mp4')).subarray(0, 600);
      await refused(await upload(session, { file: index }), 422, 'audio_file');
    });
    it('a file of 671 bytes that announces four billion samples', async () => {
      const metadata = declared({ format: 'mp4' });
      const file = fragmentedMp4(0xff_ff_ff_ff);
      await refused(await upload(session, { file, metadata }), 422, 'audio_file');
    });
    it('fields of its sender’s own that are too many, too large or cannot be stored', async () => {
      const field = (n: number) => [`field_${n}`, n];
      const many = Object.fromEntries(Array.from({ length: 33 }, (_, n) => field(n)));
      await refused(await upload(session, { metadata: declared(many) }), 422, 'metadata');
      const large = declared({ note: 'あ'.repeat(700) });
      await refused(await upload(session, { metadata: large }), 422, 'metadata');
      const name = 'n'.repeat(65);
      const long = declared({ [name]: 1 });
      await refused(
        await upload(session, { metadata: long }),
        422,
        `metadata.${name.slice(0, 64)}`,
      );
      for (const text of ['\0', '\ud800', '\\\0']) {
        const metadata = declared({ note: { deep: [text] } });
        await refused(await upload(session, { metadata }), 422, 'metadata.note');
      }
    });
    it('more from a client secret than a session may hold of it', async () => {
      const full = await host.newSession('ann');
      host.secrets.set(full, 'sec_full');
      const id = await idOf(await upload(full));
      await sql`insert into recordings select (r).* from (
          select jsonb_populate_record(recordings, jsonb_build_object(
            'id', id || n, 'blob_key', blob_key || n, 'upload_key', n)) as r
          from recordings, generate_series(2, ${RECORDINGS_BY_SECRET_MAX}) n where id = ${id}
        ) copies`.execute(database.db);
      await refused(await upload(full, { caller: 'secret:sec_full' }), 409);
      await sql`delete from recordings where session_id = ${full}`.execute(database.db);
      for await (const key of host.blobs.list(''))
        if (key.includes(full)) await host.blobs.delete(key);
    });
    it('metadata that is no JSON, or incomplete', async () => {
      await refused(await upload(session, { metadata: '{' }), 400, 'metadata');
      const metadata = declared({ audio_type: 'noise' });
      await refused(await upload(session, { metadata }), 422, 'metadata.audio_type');
      const half = declared({ language: '\ud800' });
      await refused(await upload(session, { metadata: half }), 422, 'metadata.language');
    });
    it('two files', async () => {
      const file = await fixture('webm');
      const more = (form: FormData) =>
        form.append('audio_file', new Blob([file as BlobPart]), 'b.webm');
      await refused(await upload(session, { more }), 400, 'audio_file');
    });
    it('unknown parts', async () => {
      const more = (form: FormData) => form.append('extra', 'x');
      await refused(await upload(session, { more }), 400, 'extra');
    });
    it.each(['../../etc/passwd', '..', 'a/b.webm', 'a\\b.webm'])('the file name %s', async name => {
      await refused(await upload(session, { name }), 400, 'audio_file');
    });
    it('a file over the limit', async () => {
      const file = Buffer.alloc(UPLOAD_MAX_BYTES + 1, 1);
      await refused(await upload(session, { file }), 413, 'audio_file');
    });
    it('a session that is foreign, absent or malformed', async () => {
      const foreign = await host.newSession('bob');
      const answers = await Promise.all([
        upload(session, { session: foreign }),
        upload(session, { session: 'ses_00000000000000000000000000000000' }),
        upload(session, { caller: 'Developer:ann:other' }),
      ]);
      const texts = await Promise.all(answers.map(answer => answer.json()));
      expect(answers.map(({ status }) => status)).toEqual([404, 404, 404]);
      expect(new Set(texts.map(text => (text as { detail: string }).detail)).size).toBe(1);
      await refused(await upload(session, { session: '../up' }), 400, 'session-id');
      expect((await upload(session, { caller: 'Viewer:ann' })).status).toBe(403);
      // A client secret that opened another session, and a session that none has opened.
      const other = await host.newSession('ann');
      host.secrets.set(other, 'sec_1');
      for (const caller of ['secret:sec_1', 'secret:sec_1:other']) {
        expect((await upload(session, { caller })).status).toBe(404);
      }
      expect((await upload(other, { caller: 'secret:sec_2' })).status).toBe(404);
    });
    it('what is not multipart', async () => {
      const answer = await fetch(`${host.url}/audio/upload`, {
        method: 'POST',
        headers: { 'session-id': session, 'content-type': 'application/json' },
        body: '{}',
      });
      expect(answer.status).toBe(415);
    });
    it('a client that goes away half-way', async () => {
      const { hostname, port } = new URL(host.url);
      const socket = connect(Number(port), hostname);
      const head =
        '--b\r\ncontent-disposition: form-data; name="audio_file"; filename="a.webm"\r\n\r\n';
      socket.write(
        `POST /audio/upload HTTP/1.1\r\nhost: x\r\nsession-id: ${session}\r\n` +
          'content-type: multipart/form-data; boundary=b\r\ncontent-length: 100000\r\n\r\n' +
          `${head}${'x'.repeat(5000)}`,
      );
      await expect.poll(spooled).toBe(1);
      socket.destroy();
      await expect.poll(spooled).toBe(0);
    });
  });

  describe('an upload', () => {
    it.each(['webm', 'ogg', 'mp4', 'wav'] as const)('of %s is stored and played', async format => {
      const session = await host.newSession('ann');
      const file = await fixture(format);
      const answer = await upload(session, { file, metadata: declared({ format }) });
      expect(answer.status).toBe(201);
      const body = (await answer.json()) as Record<string, string | number>;
      const digest = createHash('sha256').update(file).digest('hex');
      expect(body).toMatchObject({ session_id: session, size_bytes: file.length });
      expect(body).toMatchObject({ sha256: digest, sent_sha256: digest });
      const key = `user_speech/2026/11/22/${session}/${body.audio_id}.${format}`;
      expect(String(body.blob_url)).toContain(key);
      const audio = await get(`/v1/recordings/${body.audio_id}/audio`);
      expect(Buffer.from(await audio.arrayBuffer()).equals(file)).toBe(true);
      expect(audio.headers.get('content-type')).toBe(`audio/${format}`);
      expect(audio.headers.get('etag')).toBe(`"${digest}"`);
    });

    it('is what its bytes are, whatever its label says', async () => {
      const session = await host.newSession('ann');
      const metadata = declared({ format: 'audio/mp4', duration: 5.8 });
      const answer = await upload(session, { metadata, name: 'speech.mp3' });
      const { audio_id, blob_url } = (await answer.json()) as Record<string, string>;
      expect(blob_url).toMatch(/\.webm$/);
      const one = (await (await get(`/v1/recordings/${audio_id}`)).json()) as Recording;
      expect(one).toMatchObject({
        content_type: 'audio/webm',
        metadata: { format: 'audio/mp4', duration: 5.8 },
        measured: { container: 'webm', duration_s: expect.closeTo(3, 1), truncated: false },
      });
    });

    it('of a file that lacks its end is taken, and marked', async () => {
      const session = await host.newSession('ann');
      const file = (await fixture('wav')).subarray(0, 20_044);
      const answer = await upload(session, { file, metadata: declared({ format: 'wav' }) });
      expect(answer.status).toBe(201);
      expect(await answer.json()).toMatchObject({
        metadata: {
          duration: 3,
          measured: { duration_s: 1.25, header_duration_s: 3, truncated: true },
        },
      });
    });

    it('of a stream has its sizes written, and keeps both digests', async () => {
      const session = await host.newSession('ann');
      const file = Buffer.from(await fixture('wav'));
      const whole = Buffer.from(file);
      const data = file.indexOf('data') + 4;
      file.writeUInt32LE(0xff_ff_ff_ff, 4);
      file.writeUInt32LE(0xff_ff_ff_ff, data);
      const [sent, stored] = [file, whole].map(bytes =>
        createHash('sha256').update(bytes).digest('hex'),
      );
      const answer = await upload(session, { file });
      const body = (await answer.json()) as Record<string, string>;
      expect(body).toMatchObject({ sha256: stored, sent_sha256: sent, size_bytes: file.length });
      const audio = await get(`/v1/recordings/${body.audio_id}/audio`);
      expect(audio.headers.get('etag')).toBe(`"${stored}"`);
      expect(Buffer.from(await audio.arrayBuffer()).equals(whole)).toBe(true);
      expect(await idOf(await upload(session, { file }))).toBe(body.audio_id);
      await expect.poll(spooled).toBe(0);
    });

    it('that was stored before uploads had keys is found again, and another is not', async () => {
      const session = await host.newSession('ann');
      const metadata = declared({ transcription: 'はい', own: { b: 1, a: [2] } });
      const before = await idOf(await upload(session, { metadata }));
      await sql`update recordings set upload_key = null, sent_sha256 = null
        where id = ${before}`.execute(database.db);
      expect(await idOf(await upload(session, { metadata }))).toBe(before);
      for (const other of [{ transcription: 'いいえ' }, { own: 3 }]) {
        const changed = await upload(session, { metadata: declared(other) });
        expect(await idOf(changed)).not.toBe(before);
      }
    });

    it('keeps fields that are not known, and they stand on the blob', async () => {
      const session = await host.newSession('ann');
      const own = { 'call-id': 'c/1', 話者: '田中', scores: [0.5], speaker_type: 'user' };
      const metadata = declared({ ...own, transcription: 'not on the blob' });
      const answer = await upload(session, { metadata });
      const body = (await answer.json()) as { audio_id: string; metadata: unknown };
      expect(body.metadata).toMatchObject(own);
      const one = (await (await get(`/v1/recordings/${body.audio_id}`)).json()) as Recording;
      expect(one.metadata).toMatchObject(own);
      const key = `user_speech/2026/11/22/${session}/${body.audio_id}.webm`;
      const stored = (await host.blobs.head(key))!.metadata!;
      expect(stored).toMatchObject({ call_id: 'c/1', scores: '[0.5]', language: 'ja-JP' });
      expect(JSON.stringify(stored)).not.toContain('not on the blob');
    });

    it('moves on what the session last did', async () => {
      const session = await host.newSession('ann');
      await upload(session);
      expect(host.active.filter(id => id === session)).toHaveLength(1);
    });

    it('is recorded in the session’s log, with the measured values', async () => {
      const session = await host.newSession('ann');
      await upload(session, { metadata: declared({ channels: 2, duration: 4 }) });
      const [event] = await host.log.read(database.db, {
        subject: session,
        after: 0,
        limit: 10,
        includePrivate: false,
      });
      expect(event).toMatchObject({ seq: 1, type: 'recording.uploaded' });
      const list = (await (
        await get(`/v1/sessions/${session}/recordings`)
      ).json()) as RecordingList;
      expect(list.audio_files[0]).toMatchObject({
        metadata: { channels: 2, duration: 4 },
        measured: { channels: 1, container: 'webm', codec: 'opus' },
      });
    });

    it('that is sent again is the same recording, whatever the order of its fields', async () => {
      const session = await host.newSession('ann');
      const metadata = declared({ transcription: 'once' });
      const first = await idOf(await upload(session, { metadata }));
      const again = Object.fromEntries(Object.entries(metadata).toReversed());
      expect(await idOf(await upload(session, { metadata: again }))).toBe(first);
      const list = (await (
        await get(`/v1/sessions/${session}/recordings`)
      ).json()) as RecordingList;
      expect(list.summary.total_files).toBe(1);
    });

    it('of the same bytes of which something else is said is another recording', async () => {
      const session = await host.newSession('ann');
      const facts = [{}, { language: 'en' }, { call: 1 }, { call: 2 }];
      const said = [...facts, { transcription: 'one' }, { transcription: 'two' }].map(declared);
      const ids: string[] = [];
      for (const metadata of said) ids.push(await idOf(await upload(session, { metadata })));
      expect(new Set(ids).size).toBe(said.length);
      for (const [n, metadata] of said.entries()) {
        expect(await idOf(await upload(session, { metadata }))).toBe(ids[n]);
      }
      const list = (await (
        await get(`/v1/sessions/${session}/recordings`)
      ).json()) as RecordingList;
      expect(list.audio_files.map(file => file.metadata.transcription)).toEqual([
        ...facts.map(() => undefined),
        'one',
        'two',
      ]);
    });

    it('keeps the transcription encrypted', async () => {
      const session = await host.newSession('ann');
      const metadata = declared({ transcription: 'a very private sentence' });
      const { audio_id } = (await (await upload(session, { metadata })).json()) as {
        audio_id: string;
      };
      const stored = await sql<{ text: string }>`
        select recordings::text as text from recordings where id = ${audio_id}`.execute(
        database.db,
      );
      expect(stored.rows[0]!.text).not.toContain('private sentence');
      const one = (await (await get(`/v1/recordings/${audio_id}`)).json()) as Recording;
      expect(one.metadata.transcription).toBe('a very private sentence');
    });
  });

  describe('a stored recording', () => {
    let session: string;
    let id: string;
    beforeAll(async () => {
      session = await host.newSession('ann');
      id = ((await (await upload(session)).json()) as { audio_id: string }).audio_id;
    });

    it('is hidden from all but its creator and Admins', async () => {
      for (const caller of ['Developer:bob', 'Developer:ann:other', 'Admin:eve:other']) {
        const headers = { 'x-caller': caller };
        for (const path of [`/v1/recordings/${id}`, `/v1/recordings/${id}/audio`]) {
          expect([caller, (await get(path, headers)).status]).toEqual([caller, 404]);
        }
        const deleted = await fetch(`${host.url}/v1/recordings/${id}`, {
          method: 'DELETE',
          headers,
        });
        expect(deleted.status).toBe(404);
      }
      expect((await get(`/v1/recordings/${id}`, { 'x-caller': 'Viewer:ann' })).status).toBe(403);
      expect((await get(`/v1/recordings/${id}`, { 'x-caller': 'Admin:eve' })).status).toBe(200);
    });

    it('is open to the client secret that opened its session, but for its deletion', async () => {
      const [mine, other] = [await host.newSession('ann'), await host.newSession('ann')];
      host.secrets.set(mine, 'sec_mine');
      host.secrets.set(other, 'sec_other');
      const caller = 'secret:sec_mine';
      const sent = await upload(mine, { caller });
      expect(sent.status).toBe(201);
      const own = await idOf(sent);
      const foreign = await idOf(await upload(other));
      const status = async (path: string) => (await get(path, { 'x-caller': caller })).status;
      for (const path of [
        `/v1/sessions/${other}/recordings`,
        `/v1/sessions/${session}/recordings`,
        `/v1/recordings/${foreign}`,
        `/v1/recordings/${foreign}/audio`,
        `/v1/recordings/${id}/audio`,
      ]) {
        expect([path, await status(path)]).toEqual([path, 404]);
      }
      const headers = { 'x-caller': caller };
      const deleted = await fetch(`${host.url}/v1/recordings/${own}`, {
        method: 'DELETE',
        headers,
      });
      expect(deleted.status).toBe(403);
      for (const path of [
        `/v1/sessions/${mine}/recordings`,
        `/v1/recordings/${own}`,
        `/v1/recordings/${own}/audio`,
      ]) {
        expect([path, await status(path)]).toEqual([path, 200]);
      }
    });

    it('is played by a link, which is noted as an access', async () => {
      const mine = await host.newSession('ann');
      const { audio_id, sas_url } = (await (await upload(mine)).json()) as Record<string, string>;
      const seen = async () =>
        ((await (await get(`/v1/recordings/${audio_id}`)).json()) as Recording).last_accessed;
      expect(await seen()).toBeNull();
      const { pathname, search } = new URL(sas_url!);
      expect((await get(pathname + search)).status).toBe(200);
      await expect.poll(seen).not.toBeNull();
    });

    it('is played in ranges, each noted as an access', async () => {
      const file = await fixture('webm');
      const part = await get(`/v1/recordings/${id}/audio`, { range: 'bytes=10-19' });
      expect(part.status).toBe(206);
      expect(part.headers.get('content-range')).toBe(`bytes 10-19/${file.length}`);
      expect(Buffer.from(await part.arrayBuffer()).equals(file.subarray(10, 20))).toBe(true);
      const behind = await get(`/v1/recordings/${id}/audio`, { range: `bytes=${file.length}-` });
      expect(behind.status).toBe(416);
      const one = (await (await get(`/v1/recordings/${id}`)).json()) as Recording;
      expect(one.last_accessed).not.toBeNull();
    });

    it('has a link that ends an hour after it was made', async () => {
      const answer = await upload(await host.newSession('ann'));
      const { sas_url } = (await answer.json()) as { sas_url: string };
      const leftS = Number(new URL(sas_url).searchParams.get('expires')) - Date.now() / 1000;
      expect(leftS).toBeGreaterThan(3500);
      expect(leftS).toBeLessThanOrEqual(3601);
    });

    it('is listed in pages with a true has_more and a summary of all', async () => {
      const paged = await host.newSession('ann');
      await upload(paged);
      await upload(paged, { file: await fixture('ogg'), metadata: declared({ format: 'ogg' }) });
      await upload(paged, { metadata: declared({ audio_type: 'ai_response' }) });
      const page = async (query: string) =>
        (await (await get(`/v1/sessions/${paged}/recordings?${query}`)).json()) as RecordingList;
      expect((await page('limit=2')).pagination).toEqual({ limit: 2, offset: 0, has_more: true });
      expect((await page('limit=2&offset=1')).pagination.has_more).toBe(false);
      expect((await page('limit=3')).pagination.has_more).toBe(false);
      const speech = await page('audio_type=user_speech');
      expect(speech.audio_files).toHaveLength(2);
      expect(speech.summary).toMatchObject({
        total_files: 3,
        by_type: { user_speech: 2, ai_response: 1 },
      });
      expect(speech.summary.total_duration).toBeCloseTo(9, 0);
    });

    it('is deleted with its blob, and the log records it', async () => {
      const before = await blobs();
      const answer = await fetch(`${host.url}/v1/recordings/${id}`, { method: 'DELETE' });
      expect(answer.status).toBe(204);
      expect((await get(`/v1/recordings/${id}/audio`)).status).toBe(404);
      expect(await blobs()).toBe(before - 1);
      const events = await host.log.read(database.db, {
        subject: session,
        after: 0,
        limit: 10,
        includePrivate: false,
      });
      expect(events.map(({ type }) => type)).toEqual(['recording.uploaded', 'recording.deleted']);
    });
  });

  describe('storage without room', () => {
    it('answers 507, alerts, and completes the upload when there is room again', async () => {
      const session = await host.newSession('ann');
      storageFull = true;
      const answer = await upload(session);
      expect(answer.status).toBe(507);
      expect(host.telemetry.events()).toContain('storage.full');
      expect(await host.telemetry.metric('holdfast_storage_full_total')).toBeGreaterThan(0);
      await expect.poll(spooled).toBe(1);
      storageFull = false;
      expect(await host.recordings.uploads.retryKept()).toBe(1);
      const list = (await (
        await get(`/v1/sessions/${session}/recordings`)
      ).json()) as RecordingList;
      expect(list.summary.total_files).toBe(1);
      expect(await spooled()).toBe(0);
    });

    it('lets the client send the same bytes again', async () => {
      const session = await host.newSession('ann');
      storageFull = true;
      await upload(session);
      storageFull = false;
      expect((await upload(session)).status).toBe(201);
      expect(await host.recordings.uploads.retryKept()).toBe(0);
      const list = (await (
        await get(`/v1/sessions/${session}/recordings`)
      ).json()) as RecordingList;
      expect(list.summary.total_files).toBe(1);
    });
  });

  it('sweeps what a crash left behind, and only that', async () => {
    const session = await host.newSession('ann');
    const { audio_id } = (await (await upload(session)).json()) as { audio_id: string };
    // A crash between the blob and its completion, an hour ago.
    await sql`update recordings set state = 'pending', created_at = now() - interval '2 hours'
      where id = ${audio_id}`.execute(database.db);
    const young = await host.newSession('ann');
    const { audio_id: working } = (await (await upload(young)).json()) as { audio_id: string };
    await sql`update recordings set state = 'pending' where id = ${working}`.execute(database.db);
    const before = await blobs();
    const { recordings, spool, telemetry } = host;
    const sweep = createRecordingSweep({
      database,
      recordings,
      spool,
      telemetry,
      intervalMs: 60_000,
      retentionDays: undefined,
    });
    await sweep.run();
    expect(await blobs()).toBe(before - 1);
    const left = await sql<{ id: string }>`select id from recordings
      where id in (${audio_id}, ${working})`.execute(database.db);
    expect(left.rows).toEqual([{ id: working }]);
  });

  it('deletes what is older than its retention', async () => {
    const session = await host.newSession('ann');
    const { audio_id } = (await (await upload(session)).json()) as { audio_id: string };
    await sql`update recordings set completed_at = now() - interval '31 days'
      where id = ${audio_id}`.execute(database.db);
    const { recordings, spool, telemetry } = host;
    const deps = { database, recordings, spool, telemetry, intervalMs: 60_000, retentionDays: 30 };
    await createRecordingSweep(deps).run();
    expect((await get(`/v1/recordings/${audio_id}`)).status).toBe(404);
  });

  it('erases everything of a session', async () => {
    const session = await host.newSession('ann');
    await upload(session);
    const before = await blobs();
    await database.transaction(trx => host.recordings.eraseSession(trx, session));
    await host.recordings.purge();
    expect(await blobs()).toBe(before - 1);
  });
});

it('refuses a body larger than announced without buffering it', async () => {
  const { readUploadForm } = await import('./multipart.ts');
  const part = { type: 'field', fieldname: 'metadata', value: '{', valueTruncated: true };
  const parts = Readable.from([part]) as unknown as Parameters<typeof readUploadForm>[0];
  await expect(readUploadForm(parts, async () => ({ sizeBytes: 1, sha256: '' }))).rejects.toThrow(
    /at most/,
  );
});

import { describe, expect, it } from 'vitest';
import { ApiError } from './api-error.ts';
import { KEPT_UPLOADS_MAX, memoryShelf, Uploads } from './kept-uploads.ts';
import type { UploadAnswer } from './types.ts';
import type { UploadRequest } from './upload.ts';

const recording = {
  sessionId: 'ses_1',
  audio: new Blob(['sound']),
  fileName: 'a.webm',
  metadata: {
    audio_type: 'user_speech' as const,
    format: 'webm',
    duration: 1,
    timestamp_start: '2026-11-22T00:00:00.000Z',
    timestamp_end: '2026-11-22T00:00:01.000Z',
  },
};

const away = new ApiError({ code: 'unavailable', status: 503, detail: 'Away.', requestId: 'r1' });

/** The part of a client that uploads, with an outcome that can be changed. */
function uploader(outcome: { error: unknown }) {
  const sent: UploadRequest[] = [];
  const client = {
    recordings: {
      upload: async (request: UploadRequest) => {
        sent.push(request);
        request.onProgress?.({ sentBytes: 1, totalBytes: 4, attempt: 2 });
        if (outcome.error) throw outcome.error;
        return { audio_id: 'rec_1' } as UploadAnswer;
      },
    },
  };
  return { client: client as unknown as ConstructorParameters<typeof Uploads>[0], sent };
}

describe('Uploads', () => {
  it('shelves a recording before it sends it and removes it when it has arrived', async () => {
    const shelf = memoryShelf();
    const { client, sent } = uploader({ error: null });
    const uploads = new Uploads(client, shelf);
    const states: string[] = [];
    const laidDown: number[] = [];
    uploads.subscribe(async () => {
      if (sent.length === 0) laidDown.push((await shelf.list()).length);
    });
    uploads.subscribe(() => {
      states.push(uploads.snapshot.map(u => `${u.state} ${u.progress} ${u.kept}`).join());
    });
    const adding = uploads.add(recording);
    expect(await adding).toBe(true);
    expect(states).toEqual(['sending 0 true', 'sending 0.25 true', '']);
    expect(laidDown).toEqual([1]);
    expect(await shelf.list()).toEqual([]);
  });

  it('keeps a failed one with its reason, and sends it again on request', async () => {
    const outcome = { error: away as unknown };
    const shelf = memoryShelf();
    const { client } = uploader(outcome);
    const uploads = new Uploads(client, shelf);
    expect(await uploads.add(recording)).toBe(false);
    const [failed] = uploads.snapshot;
    expect(failed).toMatchObject({
      state: 'failed',
      kept: true,
      failure: { code: 'unavailable', detail: 'Away.', requestId: 'r1' },
    });
    expect(await shelf.list()).toHaveLength(1);
    outcome.error = null;
    expect(await uploads.retry(failed!.id)).toBe(true);
    expect(uploads.snapshot).toEqual([]);
    expect(await shelf.list()).toEqual([]);
    expect(await uploads.retry('gone')).toBe(false);
  });

  it('offers again what an earlier page left, once', async () => {
    const shelf = memoryShelf();
    await shelf.put({ ...recording, id: 'u1', keptAt: '2026-11-21T00:00:00.000Z', failure: null });
    const uploads = new Uploads(uploader({ error: null }).client, shelf);
    await uploads.restore();
    await uploads.restore();
    expect(uploads.snapshot).toMatchObject([
      { id: 'u1', state: 'failed', kept: true, failure: { code: 'interrupted' } },
    ]);
  });

  it('discards a recording only when asked to', async () => {
    const shelf = memoryShelf();
    const uploads = new Uploads(uploader({ error: new Error('odd') }).client, shelf);
    await uploads.add(recording);
    expect(uploads.snapshot[0]?.failure).toMatchObject({ code: 'network' });
    await uploads.discard(uploads.snapshot[0]!.id);
    expect(uploads.snapshot).toEqual([]);
    expect(await shelf.list()).toEqual([]);
  });

  it('marks a recording that the shelf has no room for, and still sends it', async () => {
    const full = { ...memoryShelf(), put: () => Promise.reject(new Error('full')) };
    const { client, sent } = uploader({ error: away });
    const uploads = new Uploads(client, full);
    await uploads.add(recording);
    expect(sent).toHaveLength(1);
    expect(uploads.snapshot[0]?.kept).toBe(false);
  });

  it('keeps no more than its limit', async () => {
    const shelf = memoryShelf();
    const uploads = new Uploads(uploader({ error: away }).client, shelf);
    for (let i = 0; i <= KEPT_UPLOADS_MAX; i++) await uploads.add(recording);
    expect(uploads.snapshot.at(-2)?.kept).toBe(true);
    expect(uploads.snapshot.at(-1)?.kept).toBe(false);
    expect(await shelf.list()).toHaveLength(KEPT_UPLOADS_MAX);
  });
});

import { afterEach, describe, expect, it } from 'vitest';
import { createClient } from './client.ts';
import {
  type Answer,
  HASTY,
  sendJson,
  sendProblem,
  startServer,
  type TestServer,
} from './testing/server.ts';
import type { UploadProgress } from './upload.ts';

let server: TestServer;
afterEach(() => server.close());

const metadata = {
  audio_type: 'user_speech' as const,
  format: 'webm',
  duration: 1.5,
  timestamp_start: '2026-11-22T00:00:00.000Z',
  timestamp_end: '2026-11-22T00:00:01.500Z',
};

async function upload(answer: Answer) {
  server = await startServer(answer);
  const client = createClient({
    baseUrl: server.url,
    retry: HASTY,
    credentials: { kind: 'bearer', token: 'hf_1' },
  });
  const progress: UploadProgress[] = [];
  const result = await client.recordings
    .upload({
      sessionId: 'ses_1',
      audio: new Blob(['sound'], { type: 'audio/webm' }),
      fileName: 'a.webm',
      metadata,
      onProgress: step => progress.push(step),
    })
    .catch((error: unknown) => error);
  return { result, progress };
}

describe('uploadRecording', () => {
  it('sends what the server asks for', async () => {
    const { result, progress } = await upload((_, response) =>
      sendJson(response, { audio_id: 'rec_1' }, 201),
    );
    expect(result).toEqual({ audio_id: 'rec_1' });
    const [asked] = server.asked;
    expect(asked).toMatchObject({ method: 'POST', url: '/audio/upload' });
    expect(asked?.headers).toMatchObject({ 'session-id': 'ses_1', authorization: 'Bearer hf_1' });
    const body = asked?.body.toString() ?? '';
    expect(body).toContain(JSON.stringify(metadata));
    expect(body).toMatch(/name="audio_file"; filename="a.webm"[\s\S]*audio\/webm[\s\S]*sound/);
    expect(progress.at(-1)).toEqual({ sentBytes: 1, totalBytes: 1, attempt: 1 });
  });

  it('tries three times more when the server is away, and numbers each try', async () => {
    const { result, progress } = await upload((_, response) =>
      sendProblem(response, { status: 503, code: 'unavailable' }),
    );
    expect(result).toMatchObject({ code: 'unavailable' });
    expect(server.asked).toHaveLength(4);
    expect(progress.at(-1)?.attempt).toBe(4);
  });

  it('survives a connection that breaks half-way', async () => {
    const { result } = await upload((_, response) =>
      server.asked.length < 3 ? void response.destroy() : sendJson(response, { audio_id: 'rec_2' }),
    );
    expect(result).toEqual({ audio_id: 'rec_2' });
  });

  it.each([
    [413, 'payload_too_large'],
    [422, 'unprocessable'],
    [507, 'storage_full'],
  ])('does not insist after %i', async (status, code) => {
    const { result } = await upload((_, response) => sendProblem(response, { status, code }));
    expect(result).toMatchObject({ status, code, requestId: 'req_1' });
    expect(server.asked).toHaveLength(1);
  });
});

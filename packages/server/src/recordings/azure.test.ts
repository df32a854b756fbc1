import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sharedAzurite } from '../../../../tools/services/shared.ts';
import { type BlobStore, openAzureBlobs } from '../platform/blobs/index.ts';
import type { Database } from '../platform/database/index.ts';
import { openTestDatabase } from '../platform/database/testing.ts';
import { declared, fixture, openRecordingHost, type RecordingHost } from './testing.ts';

let database: Database;
let host: RecordingHost;
let azure: BlobStore;
beforeAll(async () => {
  const { connectionString } = await sharedAzurite();
  azure = await openAzureBlobs({ connectionString, container: `t${randomUUID()}` });
  database = await openTestDatabase();
  host = await openRecordingHost(database, () => azure);
});
afterAll(async () => {
  await host.close();
  await azure.close();
  await database.close();
});

it('puts what was said of a recording on its blob in Azure, but for the private part', async () => {
  const most = Object.fromEntries(
    Array.from({ length: 30 }, (_, n) => [`field_${n}`, 'x'.repeat(150)]),
  );
  const metadata = declared({
    ...most,
    'Call-Id': 'c/1 ünï',
    話者: { name: '田中', scores: [0.5] },
    transcription: 'not on the blob',
  });
  const form = new FormData();
  form.append('audio_file', new Blob([(await fixture('webm')) as BlobPart]), 'a.webm');
  form.append('metadata', JSON.stringify(metadata));
  const session = await host.newSession('ann');
  const headers = { 'session-id': session, 'x-caller': 'Developer:ann' };
  const answer = await fetch(`${host.url}/audio/upload`, { method: 'POST', headers, body: form });
  expect(answer.status).toBe(201);
  const { audio_id: id } = (await answer.json()) as { audio_id: string };
  const info = await azure.head(`user_speech/2026/11/22/${session}/${id}.webm`);
  const { call_id, __: speaker, ...rest } = info!.metadata!;
  expect(decodeURIComponent(call_id!)).toBe('c/1 ünï');
  expect(JSON.parse(decodeURIComponent(speaker!))).toEqual({ name: '田中', scores: [0.5] });
  expect(rest).toMatchObject({ ...most, audio_type: 'user_speech', duration: '3' });
  expect(JSON.stringify(info!.metadata)).not.toContain('not on the blob');
});

import { afterAll, beforeAll, expect, it } from 'vitest';
import type { BlobStore } from '../platform/blobs/index.ts';
import type { Database } from '../platform/database/index.ts';
import { openTestDatabase } from '../platform/database/testing.ts';
import { openRecordingHost, type RecordingHost, sendUpload } from './testing.ts';

let database: Database;
let host: RecordingHost;
/** Runs between the look at a recording's row and the reading of its blob. */
let meanwhile: () => Promise<unknown> = async () => {};
beforeAll(async () => {
  database = await openTestDatabase();
  host = await openRecordingHost(database, blobs => {
    const real = blobs.get.bind(blobs);
    const get: BlobStore['get'] = async (...request) => {
      await meanwhile();
      return real(...request);
    };
    return Object.assign(blobs, { get });
  });
});
afterAll(async () => {
  await host.close();
  await database.close();
});

async function uploaded(): Promise<string> {
  const answer = await sendUpload(host, await host.newSession('ann'));
  return ((await answer.json()) as { audio_id: string }).audio_id;
}
const play = (id: string) => fetch(`${host.url}/v1/recordings/${id}/audio`);
const alerts = () => host.telemetry.text().match(/recording\.blob_missing/g) ?? [];

it('a recording that is deleted while it is asked for is not found', async () => {
  const id = await uploaded();
  meanwhile = () => fetch(`${host.url}/v1/recordings/${id}`, { method: 'DELETE' });
  expect((await play(id)).status).toBe(404);
  expect(alerts()).toEqual([]);
});

it('a blob that was lost is an alert', async () => {
  const id = await uploaded();
  const [blob] = await Array.fromAsync(host.blobs.list(''));
  meanwhile = () => host.blobs.delete(blob!);
  expect((await play(id)).status).toBe(503);
  expect(alerts()).toHaveLength(1);
});

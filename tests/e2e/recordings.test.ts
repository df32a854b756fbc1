/**
 * Recordings of a voice session on a running deployment: sent to one replica, listed, played and
 * deleted through another, and kept when the process that took them dies.
 */
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EventEnvelope, Recording, RecordingList, uploadAnswer } from '@holdfast/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { startInspectedServer } from './harness/inspected-server.ts';
import { signIn } from './harness/runs.ts';
import { forEachStack, type Server, type Stack } from './harness/stacks.ts';

const FIXTURES = fileURLToPath(
  new URL('../../packages/server/src/recordings/fixtures/', import.meta.url),
);
const TYPES = { webm: 'audio/webm', ogg: 'audio/ogg', mp4: 'audio/mp4', wav: 'audio/wav' };
type UploadAnswer = z.infer<typeof uploadAnswer>;
type Format = keyof typeof TYPES;
const FORMATS = Object.keys(TYPES) as Format[];

const audio = (format: Format) => readFile(join(FIXTURES, `tone.${format}`));

const DECLARED = {
  audio_type: 'user_speech',
  duration: 3,
  sample_rate: 48_000,
  channels: 1,
  timestamp_start: '2026-11-22T10:00:00Z',
  timestamp_end: '2026-11-22T10:00:03Z',
  language: 'ja-JP',
  transcription: 'a sentence that was said',
};

async function newSession(server: Server): Promise<string> {
  const answer = await fetch(`${server.url}/sessions`, { method: 'POST' });
  expect(answer.status).toBe(201);
  return ((await answer.json()) as { id: string }).id;
}

async function upload(server: Server, session: string, format: Format): Promise<UploadAnswer> {
  const form = new FormData();
  form.append('metadata', JSON.stringify({ ...DECLARED, format }));
  form.append('audio_file', new Blob([new Uint8Array(await audio(format))]), `a.${format}`);
  const headers = { 'session-id': session };
  const answer = await fetch(`${server.url}/audio/upload`, { method: 'POST', headers, body: form });
  expect(answer.status).toBe(201);
  return (await answer.json()) as UploadAnswer;
}

async function bytesOf(url: string, headers: Record<string, string> = {}): Promise<Buffer> {
  const answer = await fetch(url, { headers });
  expect(answer.ok).toBe(true);
  return Buffer.from(await answer.arrayBuffer());
}

const list = async (server: Server, session: string) =>
  (await (await fetch(`${server.url}/v1/sessions/${session}/recordings`)).json()) as RecordingList;

async function playsWhole(server: Server, id: string, format: Format): Promise<void> {
  const played = await bytesOf(`${server.url}/v1/recordings/${id}/audio`);
  expect(played.equals(await audio(format))).toBe(true);
}

forEachStack((name, start) => {
  let stack: Stack;
  let here: Server;
  let there: Server;
  let session: string;
  const sent = new Map<Format, UploadAnswer>();
  beforeAll(async () => {
    stack = await start();
    here = stack.servers[0]!;
    there = stack.servers.at(-1)!;
    session = await newSession(here);
    for (const format of FORMATS) sent.set(format, await upload(here, session, format));
  });

  it('lists what was sent to another replica, with what was declared and measured', async () => {
    const { audio_files, summary } = await list(there, session);
    expect(audio_files.map(file => file.audio_id)).toEqual(
      FORMATS.map(format => sent.get(format)!.audio_id),
    );
    expect(summary).toMatchObject({ total_files: 4, by_type: { user_speech: 4 } });
    const one = (await (
      await fetch(`${there.url}/v1/recordings/${sent.get('webm')!.audio_id}`)
    ).json()) as Recording;
    expect(one.metadata).toMatchObject({ ...DECLARED, format: 'webm' });
    expect(one.measured).toMatchObject({ container: 'webm', codec: 'opus', channels: 1 });
    expect(one.measured.duration_s).toBeCloseTo(3, 0);
  });

  it.each(FORMATS)('plays %s through the other replica, whole and in ranges', async format => {
    const url = `${there.url}/v1/recordings/${sent.get(format)!.audio_id}/audio`;
    const file = await audio(format);
    const whole = await fetch(url);
    expect(whole.headers.get('content-type')).toBe(TYPES[format]);
    expect(Buffer.from(await whole.arrayBuffer()).equals(file)).toBe(true);
    const middle = await fetch(url, { headers: { range: 'bytes=100-299' } });
    expect([middle.status, middle.headers.get('content-range')]).toEqual([
      206,
      `bytes 100-299/${file.length}`,
    ]);
    expect(Buffer.from(await middle.arrayBuffer()).equals(file.subarray(100, 300))).toBe(true);
    const tail = await bytesOf(url, { range: 'bytes=-50' });
    expect(tail.equals(file.subarray(-50))).toBe(true);
    const behind = await fetch(url, { headers: { range: `bytes=${file.length}-` } });
    expect(behind.status).toBe(416);
  });

  it('hands out a link that reads without credentials, and only as signed', async () => {
    const { sas_url, blob_url } = sent.get('ogg')!;
    expect((await bytesOf(sas_url)).equals(await audio('ogg'))).toBe(true);
    expect((await fetch(blob_url)).ok).toBe(false);
    const other = new URL(sas_url);
    other.pathname = new URL(sent.get('wav')!.blob_url).pathname;
    expect((await fetch(other)).ok).toBe(false);
  });

  it('shows them to the console of an Admin', async () => {
    const headers = { ...(await signIn(here)), origin: new URL(there.url).origin };
    expect((await fetch(`${there.url}/v1/api-keys`, { headers })).status).toBe(200);
    const seen = await fetch(`${there.url}/v1/sessions/${session}/recordings`, { headers });
    expect(((await seen.json()) as RecordingList).summary.total_files).toBe(4);
  });

  it('deletes through the other replica: row, blob and link, and the log records it', async () => {
    const { audio_id, sas_url } = sent.get('mp4')!;
    const url = `${there.url}/v1/recordings/${audio_id}`;
    expect((await fetch(url, { method: 'DELETE' })).status).toBe(204);
    for (const server of stack.servers) {
      expect((await fetch(`${server.url}/v1/recordings/${audio_id}/audio`)).status).toBe(404);
      expect((await list(server, session)).summary.total_files).toBe(3);
    }
    expect((await fetch(sas_url)).ok).toBe(false);
    const events = (await (await fetch(`${here.url}/v1/sessions/${session}/events`)).json()) as {
      data: EventEnvelope[];
    };
    const shown = events.data.filter(event => event.type.startsWith('recording.'));
    expect(shown.map(event => event.type)).toEqual([
      ...FORMATS.map(() => 'recording.uploaded'),
      'recording.deleted',
    ]);
    expect(shown.at(-1)!.data).toMatchObject({ recording_id: audio_id });
  });

  if (name === 'production') {
    it('loses nothing that was acknowledged when the server is killed right after', async () => {
      const doomed = await stack.addServer();
      const mine = await newSession(doomed);
      const answers = await Promise.all(FORMATS.map(format => upload(doomed, mine, format)));
      await doomed.process.kill();
      expect((await list(here, mine)).summary.total_files).toBe(FORMATS.length);
      for (const [n, format] of FORMATS.entries()) {
        await playsWhole(here, answers[n]!.audio_id, format);
      }
    });
  }
});

describe('a process that only serves the API', () => {
  let dataDir: string;
  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'holdfast-e2e-'));
  });
  afterAll(() => rm(dataDir, { recursive: true, force: true }));

  it('sweeps its own spool', async () => {
    const spool = join(dataDir, 'spool');
    await mkdir(spool);
    const left = join(spool, 'rec_00000000000000000000000000000000');
    await writeFile(left, 'left by a crash');
    const longAgo = new Date(Date.now() - 3 * 24 * 3600_000);
    await utimes(left, longAgo, longAgo);
    const server = await startInspectedServer({
      HOLDFAST_ROLES: 'api',
      HOLDFAST_DATA_DIR: dataDir,
    });
    try {
      await expect.poll(() => readdir(spool), { timeout: 15_000 }).toEqual([]);
    } finally {
      await server.stop();
    }
  });
});

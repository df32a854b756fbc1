/**
 * Uploads that must not be stored, at the running server: the answer names what is wrong, and
 * neither a row nor a blob nor a spooled file is left.
 */
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Problem } from '@holdfast/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type InspectedServer, startInspectedServer } from './harness/inspected-server.ts';
import { BOUNDARY, UPLOAD_TYPE, uploadBody, WAV } from './harness/owned-things.ts';

const LIMIT_BYTES = 400_000;

let server: InspectedServer;
let session: string;
let wav: Buffer;
beforeAll(async () => {
  server = await startInspectedServer({ HOLDFAST_UPLOAD_MAX_BYTES: String(LIMIT_BYTES) });
  wav = await readFile(WAV);
  session = await newSession();
});
afterAll(() => server?.stop());

async function newSession(): Promise<string> {
  const answer = await fetch(`${server.url}/sessions`, { method: 'POST' });
  return ((await answer.json()) as { id: string }).id;
}

interface Upload {
  readonly session?: string;
  readonly file?: Buffer;
  readonly name?: string;
  readonly metadata?: string;
  readonly more?: (form: FormData) => void;
}

const DECLARED = {
  audio_type: 'user_speech',
  format: 'wav',
  duration: 3,
  timestamp_start: '2026-11-22T10:00:00Z',
  timestamp_end: '2026-11-22T10:00:03Z',
};

async function upload(change: Upload = {}): Promise<{ status: number; body: Problem }> {
  const form = new FormData();
  form.append('audio_file', new Blob([new Uint8Array(change.file ?? wav)]), change.name ?? 'a.wav');
  form.append('metadata', change.metadata ?? JSON.stringify(DECLARED));
  change.more?.(form);
  const headers = { 'session-id': change.session ?? session };
  const answer = await fetch(`${server.url}/audio/upload`, { method: 'POST', headers, body: form });
  return { status: answer.status, body: (await answer.json()) as Problem };
}

const left = async () => ({
  rows: (await server.query('select id from recordings')).length,
  blobs: await server.blobs(),
  leftovers: await server.leftovers(),
});

describe('refused', () => {
  afterEach(async () => {
    await expect.poll(left).toEqual({ rows: 0, blobs: [], leftovers: [] });
  });

  const again = (form: FormData) =>
    form.append('audio_file', new Blob([new Uint8Array(wav)]), 'b.wav');
  it.each([
    ['an empty file', () => ({ file: Buffer.alloc(0) }), 400, 'audio_file'],
    ['what is not audio', () => ({ file: Buffer.alloc(50_000, 'x') }), 422, 'audio_file'],
    ['a file cut behind its header', () => ({ file: wav.subarray(0, 44) }), 422, 'audio_file'],
    ['a file over the limit', () => ({ file: Buffer.alloc(LIMIT_BYTES + 1) }), 413, 'audio_file'],
    ['two files', () => ({ more: again }), 400, 'audio_file'],
    ['metadata that is not JSON', () => ({ metadata: '{"audio_type":' }), 400, 'metadata'],
    ['metadata that is no object', () => ({ metadata: '7' }), 422, 'metadata'],
    ['a path for a name', () => ({ name: '../../../etc/passwd' }), 400, 'audio_file'],
    ['a session that is none', () => ({ session: '../../up' }), 400, 'session-id'],
    ['a session that is absent', () => ({ session: `ses_${'0'.repeat(32)}` }), 404, undefined],
  ] as [string, () => Upload, number, string | undefined][])(
    '%s',
    async (_name, change, status, field) => {
      const answer = await upload(change());
      expect([answer.status, answer.body.field]).toEqual([status, field]);
    },
  );

  it('a body that ends early, or whose boundary never comes', async () => {
    const whole = await uploadBody();
    for (const body of [whole.subarray(0, -8), whole.subarray(0, 60), Buffer.from('nothing')]) {
      const headers = { 'session-id': session, ...UPLOAD_TYPE };
      const init = { method: 'POST', headers, body: new Uint8Array(body) };
      const answer = await fetch(`${server.url}/audio/upload`, init);
      expect([body.length, answer.status]).toEqual([body.length, 400]);
    }
  });

  it('a client that goes away half-way', async () => {
    const body = await uploadBody();
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    const head = [
      'POST /audio/upload HTTP/1.1',
      `host: ${hostname}:${port}`,
      `session-id: ${session}`,
      `content-type: multipart/form-data; boundary=${BOUNDARY}`,
      `content-length: ${body.length}`,
    ].join('\r\n');
    socket.write(`${head}\r\n\r\n`);
    socket.write(body.subarray(0, body.length - 1000));
    await expect.poll(async () => (await server.leftovers()).length).toBe(1);
    socket.resetAndDestroy();
    const gone = () =>
      server.log.find(({ route, status }) => route === '/audio/upload' && status === 499).length;
    await expect.poll(gone).toBeGreaterThan(0);
  });
});

it('accepted: one row and one blob, that a deletion takes away', async () => {
  const answer = await upload();
  expect(answer.status).toBe(201);
  const { audio_id } = answer.body as unknown as { audio_id: string };
  expect(await left()).toMatchObject({ rows: 1, leftovers: [] });
  expect((await left()).blobs).toHaveLength(1);
  const again = await upload();
  expect(again.body).toMatchObject({ audio_id });
  await fetch(`${server.url}/v1/recordings/${audio_id}`, { method: 'DELETE' });
  await expect.poll(left).toEqual({ rows: 0, blobs: [], leftovers: [] });
  expect(server.log.find(({ level }) => level === 'error' || level === 'fatal')).toEqual([]);
});

/** Puts a word of a test into a voice session, and into a recording of one. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Session } from '@holdfast/protocol';
import { expect, vi } from 'vitest';
import { WebSocket } from 'ws';

const AUDIO = fileURLToPath(
  new URL('../../../packages/server/src/recordings/fixtures/tone.webm', import.meta.url),
);

const WAIT_MS = 60_000;

/** A session, ended, whose instructions and conversation hold the word; answers its id. */
export async function saySomething(url: string, word: string): Promise<string> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/realtime?model=gpt-realtime`);
  const events: { type: string; session?: { id: string } }[] = [];
  socket.on('message', data => events.push(JSON.parse(String(data))));
  const until = async (type: string) => {
    const arrived = () => expect(events.map(event => event.type)).toContain(type);
    await vi.waitFor(arrived, { timeout: WAIT_MS, interval: 50 });
    return events.find(event => event.type === type)!;
  };
  const send = (event: object) => socket.send(JSON.stringify(event));
  const { id } = (await until('holdfast.session')).session!;
  send({ type: 'session.update', session: { type: 'realtime', instructions: `Say ${word}.` } });
  await until('session.updated');
  const content = [{ type: 'input_text', text: `It is ${word}.` }];
  send({ type: 'conversation.item.create', item: { type: 'message', role: 'user', content } });
  send({ type: 'response.create' });
  await until('response.done');
  const closed = once(socket, 'close');
  socket.close(1000);
  await closed;
  const ended = async () => {
    const session = (await (await fetch(`${url}/v1/sessions/${id}`)).json()) as Session;
    expect(session.state).toBe('ended');
  };
  await vi.waitFor(ended, { timeout: WAIT_MS, interval: 50 });
  return id;
}

/** Uploads audio with the word in its transcription; answers the recording's id. */
export async function uploadSomething(
  url: string,
  {
    session,
    word,
    audioType = 'user_speech',
  }: { session: string; word: string; audioType?: string },
): Promise<string> {
  const declared = {
    audio_type: audioType,
    format: 'webm',
    duration: 3,
    timestamp_start: '2026-11-22T10:00:00Z',
    timestamp_end: '2026-11-22T10:00:03Z',
    transcription: `They said ${word}.`,
  };
  const form = new FormData();
  form.append('metadata', JSON.stringify(declared));
  form.append('audio_file', new Blob([new Uint8Array(await readFile(AUDIO))]), 'a.webm');
  const headers = { 'session-id': session };
  const answer = await fetch(`${url}/audio/upload`, { method: 'POST', headers, body: form });
  expect(answer.status).toBe(201);
  return ((await answer.json()) as { audio_id: string }).audio_id;
}

/** Sends recordings one after the other; what was answered 201 must be there for ever. */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Observations } from '../observations.ts';

const FIXTURE = new URL(
  '../../../packages/server/src/recordings/fixtures/tone.wav',
  import.meta.url,
);
const PAUSE_MS = 400;
const ANSWER_TIMEOUT_MS = 15_000;
const METADATA = {
  audio_type: 'user_speech',
  format: 'wav',
  duration: 3,
  sample_rate: 48_000,
  channels: 1,
  timestamp_start: '2026-11-22T10:00:00Z',
  timestamp_end: '2026-11-22T10:00:03Z',
  language: 'en-GB',
  transcription: 'a sentence that was said',
};

export class Uploads {
  /** Ids of recordings that were answered 201. */
  readonly ledger: string[] = [];
  readonly #observations: Observations;

  constructor(observations: Observations) {
    this.#observations = observations;
  }

  /** Until the signal; each belongs to a session of its own. */
  async run(url: string, signal: AbortSignal): Promise<void> {
    const audio = new Blob([new Uint8Array(await readFile(FIXTURE))]);
    while (!signal.aborted) {
      await this.#one(url, audio).catch(() => {});
      await delay(PAUSE_MS, undefined, { signal }).catch(() => {});
    }
  }

  async #one(url: string, audio: Blob): Promise<void> {
    const timeout = () => AbortSignal.timeout(ANSWER_TIMEOUT_MS);
    const session = await fetch(`${url}/sessions`, { method: 'POST', signal: timeout() });
    const { id } = (await session.json()) as { id: string };
    const body = new FormData();
    body.append('metadata', JSON.stringify(METADATA));
    body.append('audio_file', audio, 'a.wav');
    const init = { method: 'POST', body, headers: { 'session-id': id }, signal: timeout() };
    const sent = fetch(`${url}/audio/upload`, init);
    this.#observations.tell('upload:sent');
    const answer = await sent;
    const text = await answer.text();
    if (answer.status !== 201) return;
    this.ledger.push((JSON.parse(text) as { audio_id: string }).audio_id);
    this.#observations.tell('upload:answered');
  }
}

/** What is wrong with a recording that was answered 201. */
export async function recordingFaults(url: string, id: string): Promise<string[]> {
  const answer = await fetch(`${url}/v1/recordings/${id}/audio`);
  if (!answer.ok) return [`${id}: ${answer.status}`];
  const bytes = Buffer.from(await answer.arrayBuffer());
  return bytes.equals(await readFile(FIXTURE)) ? [] : [`${id}: other bytes`];
}

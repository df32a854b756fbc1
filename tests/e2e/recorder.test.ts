/**
 * What a browser records and plays on a page of another origin: the frontend of the seeds as it
 * stands, but for its addresses, in a real Chromium with its own MediaRecorder.
 */
import { createServer, type Server as WebServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Recording, uploadAnswer } from '@holdfast/protocol';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { launchBrowser } from './harness/browser.ts';
import { type InspectedServer, startInspectedServer } from './harness/inspected-server.ts';
import { WAV } from './harness/owned-things.ts';

type UploadAnswer = z.infer<typeof uploadAnswer>;
type Player = { duration: number; at: number; moves: boolean };

const sites: WebServer[] = [];
/** An origin with an empty page. */
async function openSite(): Promise<string> {
  const site = createServer((_request, answer) => {
    answer.setHeader('content-type', 'text/html').end('<!doctype html><title>Frontend</title>');
  });
  sites.push(site);
  await new Promise<void>(done => site.listen(0, '127.0.0.1', done));
  return `http://localhost:${(site.address() as AddressInfo).port}`;
}

let server: InspectedServer;
let browser: Browser;
let page: Page;
let stranger: Page;
beforeAll(async () => {
  const [frontend, other] = [await openSite(), await openSite()];
  server = await startInspectedServer({ HOLDFAST_CORS_ORIGINS: frontend });
  browser = await launchBrowser(WAV);
  page = await browser.newPage();
  await page.goto(frontend);
  stranger = await browser.newPage();
  await stranger.goto(other);
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
  for (const site of sites) site.close();
});

/** The frontend of the seeds: a session, a recording beside it, its upload. */
async function record(mimeType: string, { pauseMs = 0 } = {}): Promise<UploadAnswer> {
  return page.evaluate(
    async ({ base, mimeType, pauseMs }) => {
      const wait = (ms: number) => new Promise(done => setTimeout(done, ms));
      const session = await fetch(`${base}/sessions`, {
        method: 'POST',
        headers: { 'api-key': 'dummy_key', 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'gpt-4o-realtime-preview', voice: 'alloy', user_id: 'u1' }),
      });
      const { id: sessionId } = await session.json();
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      const recorder = new MediaRecorder(stream.clone(), { mimeType, audioBitsPerSecond: 32000 });
      const chunks: Blob[] = [];
      recorder.ondataavailable = event => void chunks.push(event.data);
      const started = Date.now();
      const recordingStartTime = new Date().toISOString();
      recorder.start(500);
      await wait(1200);
      if (pauseMs > 0) {
        recorder.pause();
        await wait(pauseMs);
        recorder.resume();
      }
      await wait(1000);
      const stopped = new Promise(done => {
        recorder.onstop = done;
      });
      recorder.stop();
      await stopped;
      const formData = new FormData();
      const audioBlob = new Blob(chunks, { type: mimeType });
      formData.append('audio_file', audioBlob, `session_${sessionId}_${Date.now()}.webm`);
      formData.append(
        'metadata',
        JSON.stringify({
          audio_type: 'user_speech',
          format: 'webm',
          duration: (Date.now() - started) / 1000,
          sample_rate: 48000,
          channels: 1,
          timestamp_start: recordingStartTime,
          timestamp_end: new Date().toISOString(),
          language: 'ja-JP',
        }),
      );
      const response = await fetch(`${base}/audio/upload`, {
        method: 'POST',
        headers: { 'session-id': sessionId },
        body: formData,
      });
      return response.json();
    },
    { base: server.url, mimeType, pauseMs },
  );
}

/** Plays an address as a page does, and goes to its middle; null where it does not play. */
async function play(on: Page, src: string): Promise<Player | null> {
  return on.evaluate(async src => {
    const audio = document.createElement('audio');
    const heard = (event: string) =>
      new Promise<boolean>(done => {
        audio.addEventListener(event, () => done(true), { once: true });
        audio.addEventListener('error', () => done(false), { once: true });
      });
    const ready = heard('loadedmetadata');
    audio.src = src;
    if (!(await ready)) return null;
    const { duration } = audio;
    const there = heard('seeked');
    audio.currentTime = Number.isFinite(duration) ? duration / 2 : 0;
    await there;
    const at = audio.currentTime;
    const moved = heard('timeupdate');
    await audio.play();
    const moves = await moved;
    audio.pause();
    return { duration, at, moves };
  }, src);
}

const one = async (id: string) =>
  (await (await fetch(`${server.url}/v1/recordings/${id}`)).json()) as Recording;

describe('a recording of MediaRecorder', () => {
  it.each([
    ['audio/webm;codecs=opus', 'webm', 'opus', true],
    ['audio/webm;codecs=pcm', 'webm', 'pcm-f32', true],
    ['audio/mp4;codecs=opus', 'mp4', 'opus', false],
  ])(
    '%s is stored, plays on its page, and goes to any place',
    async (type, container, codec, written) => {
      const sent = await record(type);
      const { measured } = sent.metadata;
      expect(measured).toMatchObject({ container, codec, channels: 1, truncated: false });
      expect(measured.duration_s).toBeGreaterThan(1.5);
      expect(sent.sha256 !== sent.sent_sha256).toBe(written);
      for (const src of [sent.sas_url, `${server.url}/v1/recordings/${sent.audio_id}/audio`]) {
        const played = await play(page, src);
        expect(played).toEqual({
          duration: expect.closeTo(measured.duration_s, 1),
          at: expect.closeTo(measured.duration_s / 2, 1),
          moves: true,
        });
      }
      await expect.poll(async () => (await one(sent.audio_id)).last_accessed).not.toBeNull();
    },
  );

  it('with a pause keeps both what was declared and what was heard', async () => {
    const { metadata } = await record('audio/webm;codecs=opus', { pauseMs: 3000 });
    expect(metadata.duration).toBeGreaterThan(5);
    expect(metadata.measured.duration_s).toBeLessThan(3.2);
    expect(metadata.measured.truncated).toBe(false);
  });

  it('does not play on pages of other origins', async () => {
    const { sas_url, audio_id } = await record('audio/webm;codecs=opus');
    for (const src of [sas_url, `${server.url}/v1/recordings/${audio_id}/audio`]) {
      expect(await play(stranger, src)).toBeNull();
    }
    const called = await stranger.evaluate(
      base =>
        fetch(`${base}/sessions`, { method: 'POST' })
          .then(() => true)
          .catch(() => false),
      server.url,
    );
    expect(called).toBe(false);
  });
});

import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { WebRtcClient } from '../../../../simulator/src/testing/webrtc-client.ts';
import { useBench } from '../testing/bench.ts';

/** The provider's own client, pointed at us, unchanged. */
const bench = useBench({}, { SIMULATOR_DATA_CHANNEL_DELAY_MS: '0' });
const openai = (apiKey = 'any') =>
  new OpenAI({ apiKey, baseURL: `${bench.host.url}/v1`, maxRetries: 0 });

describe('openai', () => {
  it('mints a secret, places a call with it, and hangs up', async () => {
    const secret = await openai().realtime.clientSecrets.create({
      expires_after: { anchor: 'created_at', seconds: 60 },
      session: { type: 'realtime', model: 'gpt-realtime', instructions: 'Be brief.' },
    });
    expect(secret.value).toMatch(/^ek_/);
    expect(secret.expires_at).toBeGreaterThan(Date.now() / 1000);
    expect(secret.session).toMatchObject({ type: 'realtime', model: 'gpt-realtime' });
    const browser = new WebRtcClient();
    const client = openai(secret.value);
    const answer = await client.realtime.calls.create({ sdp: await browser.offer() });
    await browser.accept(await answer.text());
    const callId = answer.headers.get('location')!.split('/').at(-1)!;
    await client.realtime.calls.hangup(callId);
    await browser.closed;
    await browser.close();
  });

  it('places a call with a form', async () => {
    const browser = new WebRtcClient();
    const answer = await openai().realtime.calls.create({
      sdp: await browser.offer(),
      session: { type: 'realtime', model: 'gpt-realtime', audio: { output: { voice: 'marin' } } },
    });
    await browser.accept(await answer.text());
    const created = await browser.events.next('session.created');
    expect(created.session.audio.output.voice).toBe('marin');
    await openai().realtime.calls.hangup(answer.headers.get('location')!.split('/').at(-1)!);
    await browser.close();
  });

  it('understands our errors', async () => {
    const wrong = openai().realtime.clientSecrets.create({
      session: { type: 'realtime', model: 'no model' },
    });
    await expect(wrong).rejects.toMatchObject({ status: 400, code: 'model_not_found' });
    const late = openai().realtime.clientSecrets.create({
      expires_after: { anchor: 'created_at', seconds: 5 },
    });
    await expect(late).rejects.toMatchObject({ status: 400 });
    const none = openai().realtime.calls.hangup('rtc_none');
    await expect(none).rejects.toMatchObject({ status: 404 });
  });
});

import { expect, it } from 'vitest';
import type { Upstream } from '../models/index.ts';
import { attachSideband } from './calls/sideband.ts';
import { upstreamHeaders } from './credentials.ts';
import { dial } from './upstream.ts';

/** A vault that never answers. The address is never asked. */
const upstream: Upstream = {
  provider: 'compatible',
  deployment: 'm',
  wsUrl: () => 'ws://127.0.0.1:9/',
  callsUrl: 'http://127.0.0.1:9/',
  hangupUrl: () => 'http://127.0.0.1:9/',
  headers: () => new Promise(() => {}),
};

it('gives credentials that come in time', async () => {
  const headers = async () => ({ 'api-key': 'k' });
  expect(await upstreamHeaders({ headers }, { timeoutMs: 1_000 })).toEqual({ 'api-key': 'k' });
});

it('passes on why there are none', async () => {
  const headers = () => Promise.reject(new Error('no'));
  await expect(upstreamHeaders({ headers }, { timeoutMs: 1_000 })).rejects.toThrow('no');
});

it('dials no longer than it may, credentials included', async () => {
  const late = dial({ upstream, requestId: 'req_1', timeoutMs: 20 });
  await expect(late).rejects.toMatchObject({ code: 'upstream_timeout' });
});

it.each(['before', 'meanwhile'])('ends the wait when it is aborted %s', async when => {
  const abort = new AbortController();
  const { signal } = abort;
  if (when === 'before') abort.abort();
  const target = { upstream, callId: 'rtc_1', requestId: 'req_1', signal };
  const events = { onOpen() {}, onText() {}, onEnd() {} };
  const waits = [
    dial({ upstream, requestId: 'req_1', timeoutMs: 60_000, signal }),
    attachSideband(target, events),
  ];
  abort.abort();
  for (const wait of waits) {
    await expect(wait).rejects.toMatchObject({ code: 'upstream_unreachable' });
  }
});

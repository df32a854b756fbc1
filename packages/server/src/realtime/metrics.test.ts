import { expect, it } from 'vitest';
import { Traffic } from './metrics.ts';

function counters(bytes: number) {
  const direction = { bytes, frames: 1, pauses: 0, holds: 0, untappedMessages: 1 };
  const both = {
    clientToUpstream: direction,
    upstreamToClient: { ...direction, bytes: 2 * bytes },
  };
  return both as unknown as Parameters<Traffic['add']>[0];
}

it('counts live relays as they go and keeps what ended ones carried, once', () => {
  const traffic = new Traffic();
  const [a, b] = [counters(10), counters(1)];
  traffic.add(a);
  traffic.add(b);
  a.clientToUpstream.bytes += 5;
  traffic.settle(a);
  traffic.settle(a);
  expect(traffic.sums().in).toEqual({
    bytes: 16,
    frames: 2,
    pauses: 0,
    holds: 0,
    untappedMessages: 2,
  });
  expect(traffic.sums().out.bytes).toBe(22);
});

import { duplexPair } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { type ExchangeOptions, exchange, putBack } from './exchange.ts';
import {
  encodeClose,
  encodeFragment,
  encodeFrame,
  encodePing,
  encodeText,
} from './frame-encoder.ts';
import { OPCODE_CONTINUATION, OPCODE_TEXT } from './frame-scanner.ts';
import type { RelayPeer } from './side.ts';

function world(options: Partial<ExchangeOptions> = {}) {
  const [socket, provider] = duplexPair();
  const peer: RelayPeer = { socket };
  const heard: string[] = [];
  const sent: Buffer[] = [];
  provider.on('data', (chunk: Buffer) => sent.push(chunk));
  const start = () =>
    exchange({
      peer,
      messages: ['hello'],
      heard: text => heard.push(text) > 0 && text === 'done',
      timeoutMs: 5_000,
      maxBytes: 1_000,
      ...options,
    });
  return { peer, provider, heard, sent, start };
}

const text = (content: string) => encodeText(content, false);

describe('an exchange', () => {
  it('leaves what follows its end for the next reader, byte for byte', async () => {
    const { peer, provider, heard, start } = world();
    peer.head = text('early').subarray(0, 3);
    const end = start();
    const long = Buffer.from('in two pieces');
    const rest = text('after');
    const all = Buffer.concat([
      text('early').subarray(3),
      encodeFragment(OPCODE_TEXT, long.subarray(0, 5), false),
      encodePing(false),
      encodeFrame(OPCODE_CONTINUATION, long.subarray(5), false),
      text('done'),
      rest.subarray(0, 4),
    ]);
    for (const byte of all) provider.write(Buffer.from([byte]));
    expect(await end).toEqual({ kind: 'done' });
    expect(heard).toEqual(['early', 'in two pieces', 'done']);
    provider.write(rest.subarray(4));
    const later: Buffer[] = [];
    await new Promise<void>(resolve => {
      peer.socket.on('data', (chunk: Buffer) => {
        later.push(chunk);
        const got = Buffer.concat([peer.head ?? Buffer.alloc(0), ...later]);
        if (got.equals(rest)) resolve();
      });
      peer.socket.resume();
    });
    putBack(peer, ['a', 'b']);
    expect(peer.head!.subarray(0, 6)).toEqual(Buffer.concat([text('a'), text('b')]));
  });

  it.each([
    [
      'a close',
      encodeClose(4000, 'no_model', false),
      { kind: 'closed', code: 4000, reason: 'no_model' },
    ],
    [
      'a binary message',
      encodeFrame(2, Buffer.from('x'), false),
      { kind: 'violation', code: 1003 },
    ],
    ['more than it may say', text('x'.repeat(1_001)), { kind: 'violation', code: 1009 }],
    ['what is no frame', Buffer.from([0xff, 0xff]), { kind: 'violation', code: 1002 }],
  ])('fails with %s, and lets go of the socket', async (_, bytes, expected) => {
    const { peer, provider, start } = world();
    const end = start();
    provider.write(bytes);
    expect(await end).toMatchObject(expected);
    expect(peer.socket.destroyed).toBe(true);
  });

  it('fails with a provider that goes away, is late, or is not waited for', async () => {
    const gone = world();
    const lost = gone.start();
    gone.provider.destroy();
    expect(await lost).toEqual({ kind: 'lost' });
    expect(await world({ timeoutMs: 1 }).start()).toEqual({ kind: 'timeout' });
    expect(await world({ signal: AbortSignal.abort() }).start()).toEqual({ kind: 'aborted' });
  });
});

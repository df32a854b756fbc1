import { Duplex } from 'node:stream';
import * as wsModule from 'ws';
import { relayCounters } from '../../../packages/server/src/realtime/relay/counters.ts';
import {
  encodeFragment,
  encodeFrame,
} from '../../../packages/server/src/realtime/relay/frame-encoder.ts';
import type { Random } from '../../../packages/server/src/realtime/relay/fuzz-streams.ts';
import { defaultLimits } from '../../../packages/server/src/realtime/relay/limits.ts';
import { Outlet } from '../../../packages/server/src/realtime/relay/outlet.ts';
import type { Pump } from '../../../packages/server/src/realtime/relay/pump.ts';
import { clientPump, type RelayGuard } from '../../../packages/server/src/realtime/relay/pumps.ts';
import { Slab } from '../../../packages/server/src/realtime/relay/slab.ts';

/** What the types of `ws` leave out. */
interface Receiver extends NodeJS.EventEmitter {
  _write(chunk: Buffer, encoding: string, done: (error?: Error | null) => void): void;
}
const { Receiver } = wsModule as unknown as {
  Receiver: new (options: { isServer: boolean; maxPayload: number }) => Receiver;
};

const TEXT = 1;
const BINARY = 2;
const CONTINUATION = 0;

/** The client's half of a relayed session, without sockets: frames in, messages upstream out. */
export class Line {
  /** The relay ended the session over what the client sent. */
  isOver = false;
  #received: string[] = [];
  readonly #pump: Pump;

  constructor(guard: RelayGuard) {
    const receiver = new Receiver({ isServer: true, maxPayload: defaultLimits.maxMessageBytes });
    receiver.on('message', (data: Buffer) => this.#received.push(data.toString('utf8')));
    receiver.on('error', () => undefined);
    const socket = new Duplex({
      read() {},
      write: (chunk, encoding, done) => receiver._write(chunk, encoding, done),
    });
    const { maxInjectBytes } = defaultLimits;
    this.#pump = clientPump({
      guard,
      limits: { ...defaultLimits, streamAppendBytes: 200 },
      counters: relayCounters(0),
      outlet: new Outlet({ socket, masked: true, maxInjectBytes, slab: new Slab() }),
      events: {
        held: () => false,
        control: () => undefined,
        violated: () => {
          this.isOver = true;
        },
        text: () => undefined,
        audio: () => undefined,
        refused: () => undefined,
      },
      wantsText: false,
      wantsAudio: false,
    });
  }

  /** Sends `text`, framed by chance where given; answers the messages that reach the upstream. */
  send(text: string, random?: Random): string[] {
    const bytes = Buffer.from(text);
    const frames = random ? framesOf(bytes, random) : [encodeFrame(TEXT, bytes, true)];
    for (const frame of frames) this.#pump.chunk(frame, false);
    return this.#received.splice(0);
  }
}

function* framesOf(bytes: Buffer, random: Random): Generator<Buffer> {
  if (random.chance(1)) return yield encodeFrame(BINARY, bytes, true);
  if (random.chance(85) || bytes.length === 0) return yield encodeFrame(TEXT, bytes, true);
  let opcode = TEXT;
  let at = 0;
  while (random.chance(70)) {
    const to = at + random.below(bytes.length - at + 1);
    yield encodeFragment(opcode, bytes.subarray(at, to), true);
    opcode = CONTINUATION;
    at = to;
  }
  yield encodeFrame(opcode, bytes.subarray(at), true);
}

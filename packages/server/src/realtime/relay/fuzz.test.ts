/**
 * Differential fuzz of the hot path against `ws`: `FUZZ_FRAMES` (200,000; `npm run test:all`: a
 * million), seeded (`SEED`), cut anywhere. One `ws` receiver reads each stream itself; the pump
 * carries the same stream, with own frames injected at random moments and writes that finish late,
 * to a second `ws` receiver.
 *
 * Must hold for every stream: the second receiver gets exactly the messages of the first, plus the
 * injected ones; the pump reports the same control frames and ends with the same close or the same
 * close code of a violation; what it writes never violates the protocol.
 */
import { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import * as wsModule from 'ws';
import { clientAudio } from './classify.ts';
import { readClose } from './close-codes.ts';
import { relayCounters } from './counters.ts';
import { DirectPump } from './direct-pump.ts';
import { FrameScanner, OPCODE_CLOSE } from './frame-scanner.ts';
import { cuts, Random, StreamMaker } from './fuzz-streams.ts';
import { MessageTap } from './message-tap.ts';
import { Outlet } from './outlet.ts';
import { Slab } from './slab.ts';

const FRAMES = Number(process.env.FUZZ_FRAMES ?? 200_000);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000_007);
const FRAMES_PER_STREAM = 100;
const MAX_MESSAGE_BYTES = 80_000;
const INJECTED = '{"type":"holdfast.fuzz"}';

/** What the types of `ws` leave out. */
interface Receiver extends NodeJS.EventEmitter {
  _write(chunk: Buffer, encoding: string, done: (error?: Error | null) => void): void;
}
const { Receiver } = wsModule as unknown as {
  Receiver: new (options: { isServer: boolean; maxPayload: number }) => Receiver;
};

/** Reads a stream with `ws` and writes down what it saw, one line per event. */
class Reference {
  readonly messages: string[] = [];
  readonly controls: string[] = [];
  end = '';
  readonly #receiver: Receiver;

  constructor(isServer: boolean) {
    this.#receiver = new Receiver({ isServer, maxPayload: MAX_MESSAGE_BYTES });
    this.#receiver.on('message', (data: Buffer, isBinary: boolean) => {
      this.messages.push(`${isBinary ? 2 : 1} ${data.toString('latin1')}`);
    });
    for (const name of ['ping', 'pong']) {
      this.#receiver.on(name, (data: Buffer) => {
        this.controls.push(`${name} ${data.toString('latin1')}`);
      });
    }
    this.#receiver.on('conclude', (code: number, reason: Buffer) => {
      this.end = `close ${code} ${reason}`;
    });
    this.#receiver.on('error', () => undefined);
  }

  take(chunk: Buffer): void {
    if (this.end !== '') return;
    // A copy: this receiver unmasks in place.
    this.#receiver._write(Buffer.from(chunk), 'buffer', error => {
      if (error) this.end = `violation ${statusOf(error)}`;
    });
  }
}

function statusOf(error: Error): unknown {
  const symbol = Object.getOwnPropertySymbols(error).find(s => s.description === 'status-code');
  return (error as unknown as Record<symbol, unknown>)[symbol!];
}

/** Where the pump writes to. Sometimes it keeps what it got for a while, as a full socket does. */
class Sink extends Duplex {
  readonly #take: (chunk: Buffer) => void;
  readonly #random: Random;
  #late: (() => void) | null = null;

  constructor(take: (chunk: Buffer) => void, random: Random) {
    super();
    this.#take = take;
    this.#random = random;
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const finish = () => {
      this.#take(chunk);
      done();
    };
    if (this.#random.chance(3)) this.#late = finish;
    else finish();
  }

  /** Lets go of what was kept. */
  flush(): void {
    while (this.#late !== null) {
      const late = this.#late;
      this.#late = null;
      late();
    }
  }
}

/** Carries a stream with the pump under test. */
class Subject {
  readonly controls: string[] = [];
  readonly texts: string[] = [];
  readonly output: Reference;
  end = '';
  injected = 0;
  readonly counters = relayCounters(0).clientToUpstream;
  readonly sink: Sink;
  readonly outlet: Outlet;
  readonly #pump: DirectPump;

  constructor(masked: boolean, random: Random, slab: Slab) {
    this.output = new Reference(masked);
    this.sink = new Sink(chunk => this.output.take(chunk), random);
    this.outlet = new Outlet({ socket: this.sink, masked, maxInjectBytes: 1 << 20, slab });
    const { counters } = this;
    this.#pump = new DirectPump({
      scanner: new FrameScanner({ masked, maxMessageBytes: MAX_MESSAGE_BYTES }),
      outlet: this.outlet,
      counters,
      tap: new MessageTap({
        classifier: clientAudio,
        counters,
        maxTapBytes: MAX_MESSAGE_BYTES,
        maxTapStringBytes: MAX_MESSAGE_BYTES,
        wantsText: true,
      }),
      mayHold: true,
      wholeMessageBytes: 100,
      events: {
        held: () => false,
        control: (opcode, payload) => this.#control(opcode, payload),
        violated: violation => {
          this.end ||= `violation ${violation.closeCode}`;
        },
        text: text => this.texts.push(`1 ${Buffer.from(text).toString('latin1')}`),
        audio: () => undefined,
        refused: () => undefined,
      },
    });
  }

  #control(opcode: number, payload: Buffer): void {
    if (opcode !== OPCODE_CLOSE) {
      this.controls.push(`${opcode === 9 ? 'ping' : 'pong'} ${payload.toString('latin1')}`);
      return;
    }
    const { code, reason } = readClose(payload, true);
    this.end ||= `close ${code} ${reason}`;
  }

  take(chunk: Buffer, borrowed: boolean): void {
    this.#pump.chunk(chunk, borrowed);
  }

  injectSomething(random: Random): void {
    if (random.chance(50)) this.outlet.ping();
    else if (this.outlet.inject(INJECTED)) this.injected++;
  }
}

/** Runs one stream through both and compares. Answers how many frames were read. */
function compare(masked: boolean, bytes: Buffer, random: Random, slab: Slab): number {
  const reference = new Reference(masked);
  const subject = new Subject(masked, random, slab);
  for (const chunk of cuts(bytes, random)) {
    reference.take(chunk);
    const borrowed = random.chance(50);
    const given = Buffer.from(chunk);
    subject.take(given, borrowed);
    if (borrowed) given.fill(0xff);
    if (random.chance(10)) subject.injectSomething(random);
    if (random.chance(30)) subject.sink.flush();
  }
  subject.sink.flush();
  const carried = subject.output.messages.filter(message => message !== `1 ${INJECTED}`);
  const reached = subject.output.messages.length - carried.length;
  expect(subject.end).toBe(reference.end);
  expect(subject.controls).toEqual(reference.controls);
  expect(carried).toEqual(reference.messages);
  expect(subject.texts).toEqual(reference.messages.filter(message => message.startsWith('1')));
  // Text is forwarded before it is decoded, so broken UTF-8 reaches the other side too.
  const broken = subject.output.end !== '';
  if (broken) expect([subject.output.end, subject.end]).toEqual(Array(2).fill('violation 1007'));
  // What was injected after the last boundary is still waiting.
  expect(reached).toBeLessThanOrEqual(subject.injected);
  if (!broken && !subject.outlet.insideMessage) expect(reached).toBe(subject.injected);
  return subject.counters.frames + subject.counters.controlFrames;
}

describe('the hot path, against ws', () => {
  it(`carries ${FRAMES} frames like it, seed ${SEED}`, { timeout: 240_000 }, () => {
    console.log(`fuzz: SEED=${SEED} FUZZ_FRAMES=${FRAMES}`);
    const random = new Random(SEED);
    const maker = new StreamMaker(random);
    const slab = new Slab();
    let frames = 0;
    while (frames < FRAMES) {
      const masked = random.chance(50);
      frames += compare(masked, maker.make(masked, FRAMES_PER_STREAM), random, slab);
    }
  });
});

/**
 * A load process: many sessions, one schedule. Requests come on standard input (`messages.ts`);
 * the process ends with it.
 *
 * Frame k of the whole process belongs to session k mod n and is due at k times the period over n:
 * an absolute schedule, spread evenly, that a late timer cannot bend. Frames are encoded once; each
 * session draws its own sequence of them, so that one lost, doubled, swapped or delivered to a
 * neighbour changes the hash.
 */
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { type Frame, LoadSession } from './load-session.ts';
import type { ClientSession, LoadPlan, LoadProgress, LoadReply, LoadRequest } from './messages.ts';

const FRAME_VARIANTS = 64;
const OPEN_AT_ONCE = 20;

class Load {
  readonly #plan: LoadPlan;
  readonly #frames: readonly Frame[];
  readonly #draws: (() => number)[];
  #sessions: LoadSession[] = [];
  #lateMaxMs = 0;

  constructor(plan: LoadPlan) {
    this.#plan = plan;
    const bytes = randomFrom(plan.seed);
    this.#frames = Array.from({ length: FRAME_VARIANTS }, () => makeFrame(plan.frameBytes, bytes));
    this.#draws = Array.from({ length: plan.sessions }, (_, index) =>
      randomFrom(`${plan.seed}/${index}`),
    );
  }

  async open(): Promise<void> {
    while (this.#sessions.length < this.#plan.sessions) {
      const count = Math.min(OPEN_AT_ONCE, this.#plan.sessions - this.#sessions.length);
      const opening = Array.from({ length: count }, () => LoadSession.open(this.#plan.url));
      this.#sessions.push(...(await Promise.all(opening)));
    }
  }

  /** Resolves when every frame was sent and the model's streams have ended. */
  async run(): Promise<void> {
    const facts = this.#sendFacts();
    await this.#sendFrames();
    clearInterval(facts);
    await Promise.all(this.#sessions.map(session => session.finish()));
  }

  progress(): LoadProgress {
    const total = (of: (session: LoadSession) => number) =>
      this.#sessions.reduce((sum, session) => sum + of(session), 0);
    const cpu = process.cpuUsage();
    return {
      framesSent: total(session => session.framesSent),
      framesReceived: total(session => session.framesReceived),
      lost: total(session => Number(session.lost)),
      lateMaxMs: this.#lateMaxMs,
      cpuSeconds: (cpu.user + cpu.system) / 1_000_000,
    };
  }

  results(): ClientSession[] {
    return this.#sessions.map(session => session.result());
  }

  async close(): Promise<void> {
    await Promise.all(this.#sessions.map(session => session.close()));
  }

  #sendFrames(): Promise<void> {
    const count = this.#sessions.length;
    const total = count * this.#plan.framesPerSession;
    const spacingMs = 1_000 / this.#plan.fps / count;
    const startMs = performance.now();
    let next = 0;
    return new Promise(resolve => {
      const timer = setInterval(() => {
        const elapsedMs = performance.now() - startMs;
        this.#lateMaxMs = Math.max(this.#lateMaxMs, elapsedMs - next * spacingMs);
        for (; next < total && next * spacingMs <= elapsedMs; next++) {
          const index = next % count;
          const variant = this.#draws[index]!() % FRAME_VARIANTS;
          this.#sessions[index]!.send(this.#frames[variant]!);
        }
        if (next < total) return;
        clearInterval(timer);
        resolve();
      }, 1);
    });
  }

  /** One session after the other, so that the log's work is spread too. */
  #sendFacts(): NodeJS.Timeout {
    let next = 0;
    return setInterval(() => {
      this.#sessions[next % this.#sessions.length]!.sendFact();
      next += 1;
    }, this.#plan.factEveryMs / this.#sessions.length);
  }
}

/** Numbers from a seed (xorshift32), the same on every machine. */
function randomFrom(seed: string): () => number {
  let state = createHash('sha256').update(seed).digest().readUInt32LE() || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}

function makeFrame(sizeBytes: number, random: () => number): Frame {
  const pcm = Buffer.alloc(sizeBytes);
  for (let at = 0; at < sizeBytes; at++) pcm[at] = random() >>> 24;
  const audio = pcm.toString('base64');
  return { pcm, message: Buffer.from(`{"type":"input_audio_buffer.append","audio":"${audio}"}`) };
}

let load: Load | undefined;

async function answer(request: LoadRequest): Promise<LoadReply> {
  try {
    if (request.do === 'open') load = new Load(request.plan);
    return { id: request.id, value: await load?.[request.do]() };
  } catch (error) {
    return { id: request.id, error: String(error) };
  }
}

const requests = createInterface({ input: process.stdin });
requests.on('line', async line => {
  console.log(JSON.stringify(await answer(JSON.parse(line) as LoadRequest)));
});
requests.on('close', () => process.exit());

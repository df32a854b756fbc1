/**
 * A process of its own, so that what it costs to attack is not measured as delay: makes the attack
 * that its argument describes (`Attack`, JSON) and prints what was done (`Attacked`, JSON).
 */
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { Random } from '../../../packages/server/src/realtime/relay/fuzz-streams.ts';
import { RunsApi } from '../../e2e/harness/runs.ts';
import { createSession, readRun, startActs, uploadFile } from '../stalls/attacks.ts';
import { hostileJson } from '../stalls/json.ts';
import { hostileMedia } from '../stalls/media.ts';
import type { Attack, Attacked } from './attack.ts';

const ACTS = ['burn', 'gateway', 'dear-lines', 'many-lines', 'tree'];
const UPLOADERS = 4;
const CLIENTS = 4;
const STRANGERS = 8;
const MIB = 1024 ** 2;
const FILES = 20;
/** Between two attacks of one attacker: a refusal comes at once. */
const PAUSE_MS = 5;
const MESSAGE_MAX_MS = 10_000;
const PAUSE_LOOK_MS = 250;
const LATE_MAX_MS = 180_000;

/** Everything that hostile callers can do at once, by what the API offers them. */
class Attackers {
  readonly #url: string;
  readonly #headers: Attack['headers'];
  readonly #random: Random;
  readonly #done: Attacked = { runs: 0, uploads: 0, messages: 0, requests: 0 };

  constructor(options: { url: string; headers: Attack['headers']; random: Random }) {
    this.#url = options.url;
    this.#headers = options.headers;
    this.#random = options.random;
  }

  get hasMadeAll(): boolean {
    return Object.values(this.#done).every(count => count > 0);
  }

  /** Attacks until the signal; errors of single attacks are what the server is to answer. */
  async run(over: AbortSignal): Promise<Attacked> {
    const again = async (attack: () => Promise<unknown>) => {
      while (!over.aborted) {
        await Promise.race([attack().catch(() => {}), aborted(over)]);
        await delay(PAUSE_MS);
      }
    };
    const many = (count: number, attack: () => Promise<unknown>) =>
      Array.from({ length: count }, () => again(attack));
    await Promise.all([
      ...many(2, () => this.#makeRun(over)),
      ...many(UPLOADERS, () => this.#upload()),
      ...many(CLIENTS, () => this.#speak()),
      ...many(STRANGERS, () => this.#ask()),
    ]);
    return this.#done;
  }

  async #makeRun(over: AbortSignal): Promise<void> {
    const api = new RunsApi(this.#url, this.#headers.agent);
    const id = await startActs(api, [ACTS[this.#done.runs % ACTS.length]!]);
    this.#done.runs++;
    await Promise.race([api.follow(id), aborted(over)]);
    await readRun(api, id);
  }

  async #upload(): Promise<void> {
    const headers = this.#headers.uploader;
    const id = await createSession(this.#url, headers);
    for (const file of hostileMedia(this.#random, FILES)) {
      const status = await uploadFile(this.#url, file, { ...headers, 'session-id': id });
      if ([201, 422].includes(status)) this.#done.uploads++;
    }
  }

  async #speak(): Promise<void> {
    const address = `${this.#url.replace('http', 'ws')}/v1/realtime?model=gpt-realtime`;
    for (const [, text] of hostileJson(this.#random, MIB - 100)) {
      const socket = new WebSocket(address, ['realtime'], { headers: this.#headers.client });
      const gone = new Promise(resolve => socket.once('close', resolve));
      socket.on('error', () => {});
      socket.on('message', () => {
        socket.send(`{"type":"conversation.item.create","item":${text}}`);
        this.#done.messages++;
      });
      await Promise.race([gone, delay(MESSAGE_MAX_MS)]);
      socket.terminate();
    }
  }

  /** Without a credential, or with a wrong one. */
  async #ask(): Promise<void> {
    const path = ['/v1/sessions', '/v1/audit', '/v1/api-keys', '/nothing'][this.#random.below(4)]!;
    const authorization = `Bearer hf_${this.#random.below(1e9)}`;
    await (await fetch(`${this.#url}${path}`, { headers: { authorization } })).arrayBuffer();
    this.#done.requests++;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise(resolve => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

const attack = JSON.parse(process.argv[2]!) as Attack;
const attackers = new Attackers({ ...attack, random: new Random(attack.seed) });
const over = new AbortController();
const endsAtMs = performance.now() + attack.minutes * 60_000;
// An attack that was never made shows nothing; a slow machine may need longer for the first.
setInterval(() => {
  const lateMs = performance.now() - endsAtMs;
  if (lateMs > LATE_MAX_MS || (lateMs > 0 && attackers.hasMadeAll)) over.abort();
}, PAUSE_LOOK_MS);
const done = await attackers.run(over.signal);
process.stdout.write(JSON.stringify(done), () => process.exit(0));

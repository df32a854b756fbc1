/**
 * `npm run proof -- handover`: people who speak all the time, while what is between them and the
 * model breaks. Two servers on PostgreSQL, Redis and Azurite; a client comes to either by chance.
 *
 * Not among the breaks is what is not promised yet: a killed server takes its sessions with it.
 */
import type { Server } from '../../e2e/harness/stacks.ts';
import type { Random } from '../random.ts';
import type { Verdict } from './judge.ts';
import { Speaker } from './speaker.ts';
import { startWorld, type World } from './world.ts';

export const BREAKS = ['drain', 'line', 'upstream', 'cap', 'redis', 'postgres'] as const;
export type Break = (typeof BREAKS)[number];

export interface HandoverOptions {
  readonly sessions: number;
  readonly breaks: readonly Break[];
  readonly random: Random;
  readonly report: (line: string) => void;
}

const DRAIN_GAP_P99_MS = 1_000;
/** What goes on before and after a break. */
const CALM_MS = 2_000;
/** Until everybody is back, and what was cut goes on. */
const SETTLE_MS = 4_000;
/** Of a session whose provider ends it. */
const CAP_MS = 6_000;
const HOUR_MS = 3_600_000;
/** For so long Redis or the database is gone. */
const AWAY_MS = 8_000;
/** As a provider needs to open a session and to answer. */
const SIMULATOR = { firstEventDelayMs: 300, responseDelayMs: 500 };
const ANSWER = 'A long answer, word after word. '.repeat(40);
const SERVER = {
  HOLDFAST_MAX_ACTIVE_SESSIONS: '1000',
  HOLDFAST_SHUTDOWN_GRACE: '5',
  HOLDFAST_SHUTDOWN_CLOSING: '9',
};

const delay = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));

/** Every promise that was broken, in words. */
export async function proveHandover(options: HandoverOptions): Promise<string[]> {
  const world = await startWorld(SERVER);
  const broken: string[] = [];
  try {
    for (const what of options.breaks) {
      const sessionLifetimeMs = what === 'cap' ? CAP_MS : HOUR_MS;
      await world.behave({ ...SIMULATOR, script: [{ say: ANSWER }], sessionLifetimeMs });
      const speakers = await openAll(options, world.servers);
      await delay(CALM_MS);
      for (const speaker of speakers) speaker.ask();
      await delay(CALM_MS);
      broken.push(...(await breakIt(what, { world, speakers, random: options.random })));
      await delay(SETTLE_MS);
      broken.push(...(await judgeAll(what, speakers, options)));
    }
    broken.push(...(await leftOver(world.servers[0]!)));
  } finally {
    await world.stop();
  }
  return broken;
}

interface Scene {
  readonly world: World;
  readonly speakers: readonly Speaker[];
  readonly random: Random;
}

/** What was broken by that itself. */
async function breakIt(what: Break, { world, speakers, random }: Scene): Promise<string[]> {
  const { servers, upstream, redis, database } = world;
  if (what === 'drain') {
    const [old] = servers.splice(random.whole(0, servers.length - 1), 1);
    const code = await old!.process.stop();
    await world.addServer();
    return code === 0 ? [] : [`drain: the server ended with ${code}`];
  }
  if (what === 'line') for (const { client } of speakers) client.drop();
  if (what === 'upstream') upstream.cut();
  if (what === 'cap') {
    await delay(CAP_MS);
    // While the model is asked what it has heard, none of its sessions ends.
    await world.behave({ sessionLifetimeMs: HOUR_MS });
    await delay(CAP_MS);
  }
  if (what === 'redis' || what === 'postgres') {
    await takeAway(what === 'redis' ? redis : database);
  }
  return [];
}

async function takeAway(dependency: World['redis']): Promise<void> {
  dependency.refuse(true);
  dependency.cut();
  await delay(AWAY_MS);
  dependency.refuse(false);
}

async function openAll({ sessions, random }: HandoverOptions, servers: readonly Server[]) {
  const url = () => {
    const { url: http } = random.pick(servers);
    return `${http.replace('http', 'ws')}/v1/realtime?model=gpt-realtime`;
  };
  return Promise.all(Array.from({ length: sessions }, () => Speaker.open(url)));
}

async function judgeAll(
  what: Break,
  speakers: readonly Speaker[],
  { report }: HandoverOptions,
): Promise<string[]> {
  const broken: string[] = [];
  const verdicts: Verdict[] = [];
  const judge = async (speaker: Speaker) => {
    const { id } = speaker.client;
    await speaker.judge().then(
      verdict => verdicts.push(verdict),
      (error: unknown) => broken.push(`${what}, ${id}: ${error}`),
    );
    await speaker.close();
    broken.push(...speaker.broken.map(text => `${what}, ${id}: ${text}`));
  };
  await Promise.all(speakers.map(judge));
  const sum = (key: keyof Verdict) => verdicts.reduce((all, verdict) => all + verdict[key], 0);
  for (const key of ['lost', 'doubled', 'disordered', 'eventsDoubled', 'answersTorn'] as const) {
    if (sum(key) > 0) broken.push(`${what}: ${key} ${sum(key)}`);
  }
  const gaps = speakers.flatMap(({ gapsMs }) => gapsMs).sort((a, b) => a - b);
  const at = (part: number) => Math.round(gaps[Math.ceil(part * gaps.length) - 1] ?? 0);
  if (what === 'drain' && at(0.99) > DRAIN_GAP_P99_MS) {
    broken.push(`drain: a gap of ${at(0.99)} ms (p99), allowed ${DRAIN_GAP_P99_MS}`);
  }
  report(
    `${what.padEnd(9)} ${speakers.length} sessions, ${sum('sent')} frames: lost ${sum('lost')}, ` +
      `doubled ${sum('doubled')}, out of order ${sum('disordered')}; events doubled ` +
      `${sum('eventsDoubled')}, answers torn ${sum('answersTorn')}; ${gaps.length} gaps, ` +
      `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms`,
  );
  return broken;
}

async function leftOver({ url }: Server): Promise<string[]> {
  for (let looks = 0; looks < 50; looks += 1) {
    const answer = await fetch(`${url}/v1/sessions?active=true&limit=100`);
    const { data } = (await answer.json()) as { data: { id: string; state: string }[] };
    if (data.length === 0) return [];
    await delay(200);
  }
  return ['sessions are left over that nobody holds'];
}

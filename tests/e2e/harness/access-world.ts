import { randomBytes } from 'node:crypto';
import type { Principal } from '../../../packages/server/src/auth/index.ts';
import type { WalkCaller } from '../../../packages/server/src/auth/testing/walk.ts';
import { exchange, handshake } from '../../../packages/server/src/http/testing.ts';
import { createTestDatabase } from '../../../packages/server/src/platform/database/testing.ts';
import { type LocalApplication, startApplication } from './application.ts';
import { badCredentials, goodCallers } from './callers.ts';
import { type Issuer, startIssuer } from './issuer.ts';
import { OwnedThings } from './owned-things.ts';
import { startSimulatorProcess, UPSTREAM_KEY } from './stacks.ts';

type Headers = Readonly<Record<string, string>>;

/** What was answered, in the parts that a stranger could learn something from. */
interface Answer {
  readonly status: number;
  /** Without the request's own id; empty where a method has no body. */
  readonly body: string;
}

/** The composed application, an identity provider, a simulated model and callers of all kinds. */
export interface AccessWorld extends LocalApplication {
  readonly issuer: Issuer;
  readonly callers: readonly WalkCaller[];
  readonly bad: ReadonlyMap<string, Headers>;
  readonly things: OwnedThings;
  caller(label: string): WalkCaller & { principal: Principal };
  /** Asks by HTTP, or by a WebSocket upgrade where `method` is `WS`. */
  ask(method: string, path: string, headers?: Headers, payload?: Buffer): Promise<Answer>;
  /** How many sessions of both transports the simulated model has seen. */
  upstreamSessions(): Promise<number>;
}

/** The caller stops it. */
export async function startAccessWorld(): Promise<AccessWorld> {
  const undo: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    const simulator = await startSimulatorProcess();
    undo.push(() => simulator.process.kill());
    const issuer = await startIssuer();
    undo.push(() => issuer.stop());
    const database = await createTestDatabase();
    undo.push(() => database.drop());
    const local = await startApplication({
      DATABASE_URL: database.url,
      HOLDFAST_MASTER_KEY: randomBytes(32).toString('base64'),
      // No worker: runs stay as they are.
      HOLDFAST_ROLES: 'api,gateway',
      ...issuer.env,
      OPENAI_BASE_URL: `${simulator.url}/v1`,
      OPENAI_API_KEY: UPSTREAM_KEY,
      ANTHROPIC_BASE_URL: simulator.url,
      ANTHROPIC_API_KEY: UPSTREAM_KEY,
      GOOGLE_GEMINI_BASE_URL: simulator.url,
      GEMINI_API_KEY: UPSTREAM_KEY,
      HOLDFAST_MAX_ACTIVE_SESSIONS: '100000',
    });
    undo.push(() => local.stop());
    return { ...local, ...(await people(local, issuer)), upstreamSessions, stop };

    async function upstreamSessions(): Promise<number> {
      const answer = await fetch(`${simulator.url}/_simulator/sessions`);
      return ((await answer.json()) as { data: unknown[] }).data.length;
    }
  } catch (error) {
    await stop();
    throw error;
  }
}

async function people({ application, platform, port }: LocalApplication, issuer: Issuer) {
  const { auth, http } = application;
  const { blobs, database } = platform;
  const callers = await goodCallers(auth, issuer);
  const host = `127.0.0.1:${port}`;
  const headersOf = new Map(
    callers.flatMap(({ principal, headers }) =>
      principal?.kind === 'api_key' ? [[principal.id, { host, ...headers }]] : [],
    ),
  );
  return {
    issuer,
    callers,
    bad: await badCredentials(auth, database, issuer),
    things: new OwnedThings({ app: http.app, auth, blobs, database, headersOf }),
    caller(label: string) {
      const found = callers.find(one => one.label === label);
      if (!found?.principal) throw new Error(`There is no caller ${label}.`);
      return { ...found, principal: found.principal };
    },
    async ask(method: string, url: string, headers: Headers = {}, payload?: Buffer) {
      const all = { host, ...headers };
      if (method === 'WS') return upgradeAnswer(port, url, all);
      const answer = await http.app.inject({
        method: method as 'GET',
        url,
        headers: all,
        ...(payload && { payload }),
      });
      return { status: answer.statusCode, body: anonymous(answer.body) };
    },
  };
}

async function upgradeAnswer(port: number, path: string, headers: Headers): Promise<Answer> {
  const text = await exchange(port, handshake(path, headers), { until: '"}' });
  const [head = '', body = ''] = text.split('\r\n\r\n', 2);
  return { status: Number(head.split(' ')[1]), body: anonymous(body) };
}

function anonymous(body: string): string {
  return body.replace(/,?"request_id":"[^"]*"/, '');
}

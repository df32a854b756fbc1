/** A real server with nothing but `auth/` on it, for tests: database, sealer, limiter, HTTP. */
import type { Role } from '@holdfast/protocol';
import type { FastifyInstance } from 'fastify';
import { createHttpServer, type HttpServer } from '../../http/index.ts';
import { type CapturedTelemetry, captureTelemetry } from '../../http/testing.ts';
import { systemClock } from '../../kernel/index.ts';
import type { Database } from '../../platform/database/index.ts';
import { createProcessDoorbell } from '../../platform/doorbell/testing.ts';
import { type BucketSize, createProcessRateLimiter } from '../../platform/limits/index.ts';
import { randomMasterKey } from '../../platform/log/testing.ts';
import { createSealer } from '../../platform/secrets/index.ts';
import { type Auth, type AuthDeps, type AuthOptions, createAuth } from '../create-auth.ts';
import type { LimitDefaults, Limits } from '../limits.ts';
import type { Principal } from '../principal.ts';
import { authRoutes } from '../routes.ts';
import { signInRoutes } from '../sign-in-routes.ts';

export interface TestAuth extends CapturedTelemetry {
  readonly auth: Auth;
  readonly http: HttpServer<Principal>;
  readonly app: FastifyInstance;
  close(): Promise<void>;
}

/** Buckets never refill, so that tests of limits do not depend on speed. */
export const FROZEN = { nowMs: () => 0, monotonicMs: () => 0 };
/** One for all, because servers of a test may follow each other on one database. */
const MASTER_KEY = randomMasterKey();
/** Plenty, so that only tests of the limit meet it. */
const NO_LIMIT = { perMinute: 1_000_000, burst: 1_000_000 };
/** Limits that are the same for every owner. */
export function fixedLimits(own: { maxSessions: number; ofProject?: number }): Pick<Limits, 'of'> {
  const project = { maxSessions: own.ofProject ?? null, rate: null };
  return { of: async () => ({ name: 'you', own: { ...own, rate: NO_LIMIT }, project }) };
}

/** The same for people and keys, and none for projects. */
export function limitsOf(rate: BucketSize, maxSessions = 5): LimitDefaults {
  const one = { maxSessions, rate };
  return { person: one, key: one, project: { maxSessions: null, rate: null } };
}

/** The database stays the caller's. */
export async function openTestAuth(
  database: Database,
  options: Partial<AuthOptions> = {},
  ports: Partial<AuthDeps> = {},
): Promise<TestAuth> {
  const captured = await captureTelemetry();
  const { telemetry } = captured;
  const auth = createAuth(
    {
      database,
      doorbell: createProcessDoorbell(),
      telemetry,
      sealer: createSealer({ database, masterKeys: MASTER_KEY }),
      limiter: createProcessRateLimiter({ clock: FROZEN }),
      clock: systemClock,
      ...ports,
    },
    {
      oidc: null,
      adminLinkToken: null,
      host: '127.0.0.1',
      publicUrl: null,
      tls: false,
      corsOrigins: [],
      limits: limitsOf(NO_LIMIT),
      projects: [],
      keyMaxDays: null,
      ...options,
    },
  );
  const http = await createHttpServer<Principal>({
    guard: auth.guard,
    telemetry,
    api: { title: 'test', version: '1' },
    corsOrigins: options.corsOrigins ?? [],
  });
  await http.app.register(signInRoutes(auth));
  await http.app.register(authRoutes(auth, INFO));
  return {
    ...captured,
    auth,
    http,
    app: http.app,
    async close() {
      await http.close(0);
      await auth.component.stop?.();
      await telemetry.close();
    },
  };
}

const INFO = {
  notice: null,
  simulated: false,
  revision: 'r1',
  replica: 'rep_1',
  recording: { bits_per_second: 64_000, max_bytes: 1_000_000 },
  webrtc: true,
  api_key_max_days: null,
};

/** A principal out of thin air, for calling services directly. */
export function principal(role: Role, overrides: Partial<Principal> = {}): Principal {
  return { kind: 'user', id: `user:${role}`, name: role, projectId: 'default', role, ...overrides };
}

/** What our pages send once an answer has signed their reader in. */
export function pageOf(answer: { headers: Record<string, unknown> }, cookieName: string) {
  return {
    cookie: `${cookieName}=${cookieOf(answer, cookieName)}`,
    'x-holdfast-page': String(answer.headers.location).split('#page=')[1] ?? '',
  };
}

/** The value of a cookie in an answer's `set-cookie` headers; undefined when it is cleared. */
export function cookieOf(
  answer: { headers: Record<string, unknown> },
  name: string,
): string | undefined {
  const lines = [answer.headers['set-cookie']].flat().map(String);
  const line = lines.findLast(one => one.startsWith(`${name}=`));
  return line?.slice(name.length + 1).split(';', 1)[0] || undefined;
}

/**
 * For tests: walks every registered route and upgrade × caller × owner × project and compares what
 * is answered as the policy table demands. Runs on any composed server.
 *
 *     const { port } = await http.listen({ host: '127.0.0.1', port: 0 });
 *     const callers = await walkCallers(auth);
 *     const steps = await walk({ http, port, callers, thing: async (route, owner) => … });
 *     expect(wrongSteps(steps)).toEqual([]);
 */
import type { Role } from '@holdfast/protocol';
import type { HttpServer, RouteInfo } from '../../http/index.ts';
import { exchange, handshake } from '../../http/testing.ts';
import { HoldfastError } from '../../kernel/index.ts';
import { authorize, type Target } from '../authorize.ts';
import type { Auth } from '../create-auth.ts';
import { findPolicy } from '../policies.ts';
import type { Principal } from '../principal.ts';

export interface WalkCaller {
  readonly label: string;
  /** Sent with each request. */
  readonly headers: Readonly<Record<string, string>>;
  /** Null: not authenticated. */
  readonly principal: Principal | null;
}

/** The thing a step is about: what fills the route's parameters, and how it is owned. */
export interface WalkThing {
  readonly params: Readonly<Record<string, string>>;
  readonly target: Target;
  /** Headers that name the thing where the path does not. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface WalkOptions {
  readonly http: HttpServer<Principal>;
  /** Where it listens on 127.0.0.1. */
  readonly port: number;
  readonly callers: readonly WalkCaller[];
  /**
   * Makes a thing of `owner` for a route that is about one; undefined for all other routes, of
   * which only role and credential are judged. Called anew for each step.
   */
  thing(route: RouteInfo, owner: Principal): Promise<WalkThing | undefined>;
  /** Query and body that make a request of this route plausible. */
  request?(route: RouteInfo): { query?: string; payload?: object };
}

/** `in`: authorized, whatever is answered then; `alike`: the same answer for every caller. */
type Expected = 401 | 403 | 404 | 'in' | 'alike';

export interface WalkStep {
  readonly route: string;
  readonly policy: string;
  readonly caller: string;
  /** Who owns the thing; null on routes that are not about one. */
  readonly owner: string | null;
  readonly expected: Expected;
  readonly status: number;
  readonly right: boolean;
}

/** Callers of every role in two projects, a client secret in each, and one without credentials. */
export async function walkCallers(auth: Auth): Promise<WalkCaller[]> {
  const callers: WalkCaller[] = [{ label: 'anonymous', headers: {}, principal: anonymous(auth) }];
  for (const projectId of ['default', 'walk']) {
    await auth.projects.ensure([projectId]);
    const admin = {
      kind: 'user',
      id: 'user:walk',
      name: 'Walk',
      projectId,
      role: 'Admin',
    } as const;
    for (const role of ['Viewer', 'Developer', 'Developer', 'Admin'] satisfies Role[]) {
      const { key } = await auth.apiKeys.create(admin, { name: 'walk', role }, 'walk');
      callers.push(caller(`${role} in ${projectId}`, key, await auth.apiKeys.verify(key)));
    }
    const { value } = await auth.clientSecrets.mint(callers.at(-2)?.principal ?? admin, {
      ttlS: 600,
      maxSessions: 1000,
      model: 'walk',
      session: {},
      locked: [],
    });
    const holder = await auth.clientSecrets.verify(value);
    callers.push(caller(`client secret in ${projectId}`, value, holder));
  }
  return callers;
}

function anonymous(auth: Auth): Principal | null {
  if (auth.mode !== 'local') return null;
  return { kind: 'local', id: 'local', name: '', projectId: 'default', role: 'Developer' };
}

function caller(label: string, key: string, principal: Principal | undefined): WalkCaller {
  if (principal === undefined) throw new Error(`The key of ${label} does not work.`);
  return { label, headers: { authorization: `Bearer ${key}` }, principal };
}

export async function walk(options: WalkOptions): Promise<WalkStep[]> {
  const steps: WalkStep[] = [];
  for (const route of options.http.routes()) {
    if (route.method === 'OPTIONS' || route.method === 'HEAD') continue;
    steps.push(...(await walkRoute(options, route)));
  }
  return steps;
}

export function wrongSteps(steps: readonly WalkStep[]): WalkStep[] {
  return steps.filter(step => !step.right);
}

async function walkRoute(options: WalkOptions, route: RouteInfo): Promise<WalkStep[]> {
  const { callers } = options;
  const owners = callers.flatMap(({ label, principal }) =>
    principal?.kind !== 'api_key' || principal.role === 'Viewer' ? [] : [{ label, principal }],
  );
  const steps: WalkStep[] = [];
  for (const one of callers) {
    const first = owners[0] && (await options.thing(route, owners[0].principal));
    if (first === undefined) {
      steps.push(await step(options, route, { caller: one }));
      continue;
    }
    for (const owner of owners) {
      const thing = await options.thing(route, owner.principal);
      steps.push(await step(options, route, { caller: one, owner: owner.label, thing }));
    }
  }
  return markAlike(steps);
}

/** Public routes answer every caller as the first one, or 429: sign-in is limited by address. */
function markAlike(steps: readonly WalkStep[]): WalkStep[] {
  return steps.map(one => {
    if (one.expected !== 'alike') return one;
    return { ...one, right: one.status === steps[0]?.status || one.status === 429 };
  });
}

async function step(
  options: WalkOptions,
  route: RouteInfo,
  about: { caller: WalkCaller; owner?: string; thing?: WalkThing | undefined },
): Promise<WalkStep> {
  const { caller, owner = null, thing } = about;
  const expected = expectedOf(route.policy, caller.principal, thing?.target);
  const status = await ask(options, route, caller, thing);
  const right = expected === 'in' ? isIn(status, thing !== undefined) : expected === status;
  const { policy } = route;
  const name = `${route.method} ${route.url}`;
  return { route: name, policy, caller: caller.label, owner, expected, status, right };
}

function isIn(status: number, isThere: boolean): boolean {
  return status !== 401 && status !== 403 && !(isThere && status === 404) && status < 500;
}

function expectedOf(policy: string, principal: Principal | null, target?: Target): Expected {
  if (findPolicy(policy)?.public) return 'alike';
  if (principal === null) return 401;
  try {
    authorize(policy, principal, target);
    return 'in';
  } catch (error) {
    if (error instanceof HoldfastError && (error.status === 403 || error.status === 404)) {
      return error.status;
    }
    throw error;
  }
}

async function ask(
  options: WalkOptions,
  route: RouteInfo,
  caller: WalkCaller,
  thing: WalkThing | undefined,
): Promise<number> {
  const { query = '', payload } = options.request?.(route) ?? {};
  const path = fill(route.url, thing?.params ?? {}) + query;
  const headers = { host: `127.0.0.1:${options.port}`, ...caller.headers, ...thing?.headers };
  if (route.method === 'WS') {
    const answer = await exchange(options.port, handshake(path, headers), { until: '\r\n\r\n' });
    return Number(answer.split(' ')[1]);
  }
  const method = route.method as 'GET';
  const body = payload === undefined ? {} : { payload };
  return (await options.http.app.inject({ method, url: path, headers, ...body })).statusCode;
}

/** Parameters that no thing fills name nothing that exists. */
function fill(pattern: string, params: Readonly<Record<string, string>>): string {
  return pattern
    .replaceAll(/:(\w+)/g, (_whole, name: string) => encodeURIComponent(params[name] ?? 'none'))
    .replace(/\*$/, 'none');
}

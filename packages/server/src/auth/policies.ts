import { ROLES, type Role, SCOPES, type Scope } from '@holdfast/protocol';

/**
 * The policy table: who may call what. Every route names one row; a route without a row does not
 * register, and a test walks every route × role × owner × project against this table.
 *
 * - `public` rows need no credential (the transport checks of local mode still apply).
 * - `role` is the least role in the caller's project; roles nest.
 * - `clientSecret` rows are open to the narrowed `ek_…` tokens too; all others are closed to them.
 *   Those for `opened` are about what a token opened itself: they stay open for some time after it
 *   has expired, so that a session that outlasts it can be ended and its recordings be uploaded.
 * - `runToken` rows are open to tokens of agent runs (`rt_…`) too. The guard passes a request with
 *   a valid one without a principal; its handler verifies whose it is.
 * - `scopes`: a key with scopes needs one of these. Rows without are closed to such keys.
 * - `ticket` rows also take a stream ticket (`?ticket=`), for pages that cannot send headers.
 * - `owner` rows are about one resource, which only its creator and the project's Admins may
 *   change. A colleague gets 404 for `hidden` ones, as if they did not exist, and 403 for `visible`
 *   ones, which colleagues may read anyway.
 */
export interface Policy {
  readonly public?: true;
  readonly role: Role;
  readonly clientSecret?: true | 'opened';
  readonly ticket?: true;
  readonly owner?: 'hidden' | 'visible';
  readonly runToken?: true;
  readonly scopes?: readonly Scope[];
}

const VOICE = ['voice'] as const;
const RUNS = ['runs'] as const;
const READ_VOICE = ['voice', 'read'] as const;
const READ_RUNS = ['runs', 'read'] as const;
const PUBLIC = { public: true, role: 'Viewer' } as const;
const OPENED = { role: 'Developer', clientSecret: 'opened', owner: 'hidden' } as const;

export const POLICIES = {
  'public.health': PUBLIC,
  'public.metrics': PUBLIC,
  'public.docs': PUBLIC,
  'public.console': PUBLIC,
  'public.auth': PUBLIC,
  'public.logout': PUBLIC,
  'public.blobs': PUBLIC,
  'public.preflight': PUBLIC,
  'public.webhook': PUBLIC,
  'me.read': { role: 'Viewer', scopes: SCOPES },
  'models.list': { role: 'Viewer', clientSecret: true, scopes: SCOPES },
  'keys.manage': { role: 'Admin' },
  'audit.read': { role: 'Admin' },
  'limits.read': { role: 'Viewer', scopes: SCOPES },
  'limits.manage': { role: 'Admin' },
  'realtime.mint': { role: 'Developer', scopes: VOICE },
  'realtime.connect': { role: 'Developer', clientSecret: true, scopes: VOICE },
  'realtime.socket': { role: 'Developer', clientSecret: 'opened', scopes: VOICE },
  'realtime.answer': { role: 'Developer', scopes: VOICE },
  'realtime.control': { ...OPENED, scopes: VOICE },
  'realtime.sideband': { role: 'Developer', owner: 'hidden', scopes: VOICE },
  'sessions.read': { role: 'Viewer', scopes: READ_VOICE },
  'sessions.control': { role: 'Developer', owner: 'visible', scopes: VOICE },
  'recordings.write': { ...OPENED, scopes: VOICE },
  'recordings.read': { ...OPENED, scopes: READ_VOICE },
  'recordings.delete': { role: 'Developer', owner: 'hidden', scopes: VOICE },
  'repos.write': { role: 'Developer', scopes: RUNS },
  'repos.control': { role: 'Developer', owner: 'visible', scopes: RUNS },
  'runs.read': { role: 'Viewer', scopes: READ_RUNS },
  'runs.write': { role: 'Developer', scopes: RUNS },
  'runs.control': { role: 'Developer', owner: 'visible', scopes: RUNS },
  'runs.private': { role: 'Developer', owner: 'visible', scopes: READ_RUNS },
  'streams.read': { role: 'Viewer', ticket: true, scopes: SCOPES },
  'queue.read': { role: 'Viewer', scopes: READ_RUNS },
  'queue.manage': { role: 'Admin' },
  'models.call': { role: 'Developer', runToken: true, scopes: RUNS },
  'budgets.read': { role: 'Viewer', scopes: READ_RUNS },
  'budgets.manage': { role: 'Admin' },
  'provider_keys.manage': { role: 'Admin' },
  'hosted_tools.read': { role: 'Viewer', scopes: READ_RUNS },
  'hosted_tools.manage': { role: 'Admin' },
} as const satisfies Record<string, Policy>;

export type PolicyId = keyof typeof POLICIES;

export function findPolicy(id: string): Policy | undefined {
  return Object.hasOwn(POLICIES, id) ? POLICIES[id as PolicyId] : undefined;
}

/** Whether `have` includes the rights of `need`. */
export function roleIncludes(have: Role, need: Role): boolean {
  return ROLES.indexOf(have) >= ROLES.indexOf(need);
}

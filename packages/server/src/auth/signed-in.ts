import type { Role } from '@holdfast/protocol';
import type { GuardedRequest } from '../http/index.ts';
import type { ConsoleSessions, SignedIn } from './console-sessions.ts';
import { cookiesOf, pageSecretOf } from './credentials.ts';
import { isUnsafe, type OriginRules, originOf } from './origin.ts';

export interface SignedInDeps {
  readonly sessions: ConsoleSessions;
  readonly cookieName: string;
  readonly rules: OriginRules;
}

/**
 * The person whose cookie a request carries, as far as it counts. A browser attaches the cookie to
 * requests that other sites cause, and shows it to the servers on all other ports of our host. So
 * the request must come from our own pages, which the browser says of every write, and a cookie by
 * itself is good for reading, at most as a Developer: for all else the page adds its own secret,
 * which no page of another origin can read.
 */
export async function signedInBy(
  request: GuardedRequest,
  { sessions, cookieName, rules }: SignedInDeps,
): Promise<SignedIn | undefined> {
  const token = cookiesOf(request)[cookieName];
  if (token === undefined) return undefined;
  const origin = originOf(request, rules);
  const unsafe = isUnsafe(request);
  if (origin !== 'own' && (unsafe || origin !== 'none')) return undefined;
  const person = await sessions.find(token, pageSecretOf(request));
  if (person === undefined || person.fromPage) return person;
  return unsafe ? undefined : { ...person, roles: withoutAdmin(person.roles) };
}

function withoutAdmin(roles: Readonly<Record<string, Role>>): Record<string, Role> {
  const entries = Object.entries(roles);
  return Object.fromEntries(
    entries.map(([project, role]) => [project, role === 'Admin' ? 'Developer' : role]),
  );
}

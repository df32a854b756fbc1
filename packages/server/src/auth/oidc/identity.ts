import type { Role } from '@holdfast/protocol';
import type { GuardedRequest } from '../../http/index.ts';
import type { ConsoleSessions, Person } from '../console-sessions.ts';
import { cookiesOf, credentialsOf, isJwtShaped } from '../credentials.ts';
import type { Identity } from '../identity.ts';
import { type OriginRules, originOf } from '../origin.ts';
import type { Principal } from '../principal.ts';
import { DEFAULT_PROJECT, type EnsureProject } from '../projects.ts';
import { noProject } from '../unauthenticated.ts';
import { verifyBearer } from './bearer.ts';
import {
  type ClaimNames,
  type Claims,
  nameFromClaims,
  rolesFromClaims,
  subjectFromClaims,
} from './claims.ts';
import type { OidcOptions, OidcProvider } from './provider.ts';

export interface OidcIdentityDeps {
  readonly provider: OidcProvider;
  readonly options: OidcOptions;
  readonly claimNames: ClaimNames;
  readonly sessions: ConsoleSessions;
  readonly ensureProject: EnsureProject;
  readonly rules: OriginRules;
  readonly cookieName: string;
}

/** People known by an identity provider: by a bearer token, or by the cookie of their sign-in. */
export function createOidcIdentity(deps: OidcIdentityDeps): Identity {
  return {
    mode: 'oidc',
    checkTransport: () => {},
    async authenticate(request) {
      // A wrong bearer token is refused, even if the request also carries a valid cookie.
      const presented = credentialsOf(request).find(one => one.meant || isJwtShaped(one.value));
      const person =
        presented === undefined
          ? await personByCookie(deps, request)
          : await personByToken(deps, presented.value);
      if (person === undefined) return undefined;
      return inProject(deps, person, request);
    },
  };
}

/** The person whom the claims identify; undefined without a usable subject. */
export function personFromClaims(claims: Claims, names: ClaimNames): Person | undefined {
  const id = subjectFromClaims(claims, names);
  if (id === undefined) return undefined;
  return { id, name: nameFromClaims(claims), roles: rolesFromClaims(claims, names) };
}

async function personByToken(deps: OidcIdentityDeps, token: string): Promise<Person | undefined> {
  if (!isJwtShaped(token)) return undefined;
  const claims = await verifyBearer(deps.provider, deps.options, token);
  return claims && personFromClaims(claims, deps.claimNames);
}

/** Browsers attach cookies to other sites' requests too: only those of our own pages count. */
async function personByCookie(
  deps: OidcIdentityDeps,
  request: GuardedRequest,
): Promise<Person | undefined> {
  const token = cookiesOf(request)[deps.cookieName];
  const origin = originOf(request, deps.rules);
  if (token === undefined || (origin !== 'own' && origin !== 'none')) return undefined;
  return deps.sessions.find(token);
}

/** `X-Holdfast-Project` chooses among the caller's projects; else `default`, else the first. */
async function inProject(
  deps: OidcIdentityDeps,
  person: Person,
  request: GuardedRequest,
): Promise<Principal> {
  const wanted = request.headers['x-holdfast-project'];
  const { roles } = person;
  const usual = Object.hasOwn(roles, DEFAULT_PROJECT)
    ? DEFAULT_PROJECT
    : Object.keys(roles).toSorted()[0];
  const projectId = wanted === undefined ? usual : String(wanted);
  if (projectId === undefined || !Object.hasOwn(roles, projectId)) throw noProject();
  await deps.ensureProject(projectId);
  const role = roles[projectId] as Role;
  return { kind: 'user', id: person.id, name: person.name, projectId, role };
}

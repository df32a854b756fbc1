import type { Role } from '@holdfast/protocol';
import type { GuardedRequest } from '../../http/index.ts';
import type { Person } from '../console-sessions.ts';
import { credentialsOf, isJwtShaped } from '../credentials.ts';
import type { Identity } from '../identity.ts';
import type { Principal } from '../principal.ts';
import { DEFAULT_PROJECT, type EnsureProject } from '../projects.ts';
import { type SignedInDeps, signedInBy } from '../signed-in.ts';
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

export interface OidcIdentityDeps extends SignedInDeps {
  readonly provider: OidcProvider;
  readonly options: OidcOptions;
  readonly claimNames: ClaimNames;
  readonly ensureProject: EnsureProject;
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
          ? await signedInBy(request, deps)
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

/** `X-Holdfast-Project` chooses among the caller's projects; else `default`, else the first. */
async function inProject(
  deps: OidcIdentityDeps,
  person: Person & Pick<Principal, 'basis'>,
  request: GuardedRequest,
): Promise<Principal> {
  const wanted = request.headers['x-holdfast-project'];
  const { basis, roles } = person;
  const usual = Object.hasOwn(roles, DEFAULT_PROJECT)
    ? DEFAULT_PROJECT
    : Object.keys(roles).toSorted()[0];
  const projectId = wanted === undefined ? usual : String(wanted);
  if (projectId === undefined || !Object.hasOwn(roles, projectId)) throw noProject();
  await deps.ensureProject(projectId);
  const role = roles[projectId] as Role;
  return {
    kind: 'user',
    id: person.id,
    name: person.name,
    projectId,
    role,
    ...(basis && { basis }),
  };
}

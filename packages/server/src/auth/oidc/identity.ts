import type { Role } from '@holdfast/protocol';
import type { GuardedRequest } from '../../http/index.ts';
import { type Claimed, type ClaimedRoles, SIGN_IN } from '../claimed-roles.ts';
import { credentialsOf, isJwtShaped } from '../credentials.ts';
import type { Identity } from '../identity.ts';
import type { Person } from '../person.ts';
import type { Principal } from '../principal.ts';
import { DEFAULT_PROJECT, type Projects } from '../projects.ts';
import { type SignedInDeps, signedInBy } from '../signed-in.ts';
import { noProject } from '../unauthenticated.ts';
import { verifyBearer } from './bearer.ts';
import {
  audienceFromClaims,
  type ClaimNames,
  type Claims,
  clientFromClaims,
  issuedAtOf,
  nameFromClaims,
  rolesFromClaims,
  subjectFromClaims,
} from './claims.ts';
import type { OidcOptions, OidcProvider } from './provider.ts';

export interface OidcIdentityDeps extends SignedInDeps, ClaimReading {
  readonly provider: OidcProvider;
  readonly options: OidcOptions;
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
      return inProject(person, request);
    },
  };
}

export interface ClaimReading {
  readonly claimNames: ClaimNames;
  readonly claimed: ClaimedRoles;
  readonly projects: Pick<Projects, 'existing'>;
}

/** The person whom a sign-in's claims identify; undefined without a usable subject. */
export async function personFromSignIn(
  claims: Claims,
  reading: ClaimReading,
): Promise<Person | undefined> {
  return personFromClaims(claims, { source: SIGN_IN }, reading);
}

/** The roles are those of the newest claims from the same source. */
async function personFromClaims(
  claims: Claims,
  from: Pick<Claimed, 'source' | 'formerSource'>,
  { claimNames, claimed, projects }: ClaimReading,
): Promise<Person | undefined> {
  const id = subjectFromClaims(claims, claimNames);
  if (id === undefined) return undefined;
  const issuedAtS = issuedAtOf(claims);
  const roles = rolesFromClaims(claims, claimNames);
  const held = await claimed.note({ ...from, principalId: id, roles, issuedAtS });
  if (held === undefined) return undefined;
  const existing = await projects.existing(Object.keys(held));
  const there = Object.entries(held).filter(([project]) => existing.has(project));
  return { id, name: nameFromClaims(claims), roles: Object.fromEntries(there) };
}

async function personByToken(
  deps: OidcIdentityDeps,
  token: string,
): Promise<(Person & Pick<Principal, 'basis'>) | undefined> {
  if (!isJwtShaped(token)) return undefined;
  const claims = await verifyBearer(deps.provider, deps.options, token);
  if (claims === undefined) return undefined;
  // Tokens for another client or audience may carry fewer roles.
  const formerSource = `token:${clientFromClaims(claims)}`;
  const source = `${formerSource} ${audienceFromClaims(claims, deps.options.audiences)}`;
  const person = await personFromClaims(claims, { source, formerSource }, deps);
  if (person === undefined) return undefined;
  const { id } = person;
  const basis = { kind: 'token', id, source, issuedAtS: issuedAtOf(claims) } as const;
  return { ...person, basis };
}

/** `X-Holdfast-Project` chooses among the caller's projects; else `default`, else the first. */
function inProject(person: Person & Pick<Principal, 'basis'>, request: GuardedRequest): Principal {
  const wanted = request.headers['x-holdfast-project'];
  const { basis, roles } = person;
  const usual = Object.hasOwn(roles, DEFAULT_PROJECT)
    ? DEFAULT_PROJECT
    : Object.keys(roles).toSorted()[0];
  const projectId = wanted === undefined ? usual : String(wanted);
  if (projectId === undefined || !Object.hasOwn(roles, projectId)) throw noProject();
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

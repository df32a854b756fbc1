import { ROLES, type Role } from '@holdfast/protocol';
import { roleIncludes } from '../policies.ts';
import { DEFAULT_PROJECT, isProjectId } from '../projects.ts';

export interface ClaimNames {
  /** Claims whose values are roles, or stand in `roleMap`. */
  readonly roles: readonly string[];
  /** Claims whose values are names or ids of groups, which count only through `roleMap`. */
  readonly groups: readonly string[];
  /** The claim that identifies the person permanently; part of the principal's id. */
  readonly subject: string;
  /** Roles for values that are none, such as a group's id: `{"<id>": "sales:Developer"}`. */
  readonly roleMap: Readonly<Record<string, string>>;
}

export type Claims = Readonly<Record<string, unknown>>;

/** More projects than this of one person are ignored. */
const PROJECTS_MAX = 100;
const NAME_MAX_CHARS = 200;

/**
 * The caller's role by project. A value is `Role` (in the project `default`) or `project:Role`; the
 * highest of several wins; other values are ignored. A group that happens to be called like a role
 * is none: else people who may make groups could make Admins.
 */
export function rolesFromClaims(claims: Claims, names: ClaimNames): Record<string, Role> {
  const roles = new Map<string, Role>();
  const mapped = (value: string) =>
    Object.hasOwn(names.roleMap, value) ? names.roleMap[value] : undefined;
  const values = [
    ...names.roles.flatMap(name => valuesOf(claims, name)).map(value => mapped(value) ?? value),
    ...names.groups.flatMap(name => valuesOf(claims, name)).map(mapped),
  ];
  for (const value of values) {
    const parsed = value === undefined ? undefined : parseRole(value);
    if (parsed === undefined) continue;
    const had = roles.get(parsed.project);
    if (had === undefined && roles.size >= PROJECTS_MAX) continue;
    if (had === undefined || roleIncludes(parsed.role, had)) roles.set(parsed.project, parsed.role);
  }
  return Object.fromEntries(roles);
}

/** The principal's id, or undefined when the claims have no usable subject. */
export function subjectFromClaims(claims: Claims, names: ClaimNames): string | undefined {
  const subject = claims[names.subject];
  const usable = typeof subject === 'string' && subject !== '' && subject.length <= NAME_MAX_CHARS;
  return usable ? `user:${subject}` : undefined;
}

/** The client that a token was made for, as far as the token tells. */
export function clientFromClaims({ azp, appid, client_id: clientId }: Claims): string {
  const client = [azp, appid, clientId].find(value => typeof value === 'string');
  return typeof client === 'string' ? client.slice(0, NAME_MAX_CHARS) : '';
}

/** Which of the audiences that are accepted a token was made for. */
export function audienceFromClaims({ aud }: Claims, accepted: readonly string[]): string {
  const named = accepted.filter(one => [aud].flat().includes(one));
  return named.toSorted().join(' ');
}

/** When the provider made the claims; 0 where it does not say. */
export function issuedAtOf({ iat }: Claims): number {
  return typeof iat === 'number' && Number.isFinite(iat) ? iat : 0;
}

/** A display name; never used for authorization. */
export function nameFromClaims(claims: Claims): string {
  const name = [claims.name, claims.preferred_username, claims.email, claims.sub].find(
    value => typeof value === 'string' && value !== '',
  );
  return typeof name === 'string' ? name.slice(0, NAME_MAX_CHARS) : 'unnamed';
}

/** A claim by its name, or, for nested ones, by a path such as `realm_access.roles`. */
function valuesOf(claims: Claims, name: string): string[] {
  const found = Object.hasOwn(claims, name) ? claims[name] : atPath(claims, name.split('.'));
  const list = Array.isArray(found) ? found : [found];
  return list.filter(value => typeof value === 'string');
}

function atPath(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (at, key) =>
      typeof at === 'object' && at !== null && Object.hasOwn(at, key)
        ? (at as Record<string, unknown>)[key]
        : undefined,
    value,
  );
}

function parseRole(value: string): { project: string; role: Role } | undefined {
  const colon = value.lastIndexOf(':');
  const project = colon < 0 ? DEFAULT_PROJECT : value.slice(0, colon);
  const role = ROLES.find(one => one === value.slice(colon + 1));
  return role !== undefined && isProjectId(project) ? { project, role } : undefined;
}

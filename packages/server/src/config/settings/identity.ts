import { integer, issuerUrl, list, pairs, projectIds, secret, text } from '../kinds.ts';
import { optional, setting } from '../setting.ts';

/** Authentication and roles. */
export const identitySettings = {
  HOLDFAST_OIDC_ISSUER: optional(issuerUrl, {
    description:
      'Issuer of the OIDC provider. Unset: local mode, for one local user on loopback only.',
    example: 'https://login.microsoftonline.com/<tenant-id>/v2.0',
  }),
  HOLDFAST_OIDC_CLIENT_ID: optional(text, {
    description: 'Client id of the console at the issuer.',
  }),
  HOLDFAST_OIDC_CLIENT_SECRET: optional(secret(), {
    description: 'Client secret, where the issuer wants one besides PKCE.',
  }),
  HOLDFAST_OIDC_AUDIENCE: setting(list, '', {
    description: 'Access tokens must carry one of these audiences. Default: the client id.',
    example: 'api://holdfast',
  }),
  HOLDFAST_OIDC_SCOPES: setting(text, 'openid profile email offline_access', {
    description:
      'Scopes asked for at console sign-in, separated by spaces; `offline_access` only where the ' +
      'issuer names it among its scopes. Without the refresh token that it brings, sign-ins and ' +
      'calls in the console end after `HOLDFAST_OIDC_ROLES_MINUTES`.',
  }),
  HOLDFAST_OIDC_ROLES_MINUTES: setting(integer(1, 60), '10', {
    description:
      'How long roles of a console sign-in hold before they are read again with the refresh ' +
      'token. **Where the issuer gives none, the sign-in ends then, and a call that is open in ' +
      'the console is cut.**',
  }),
  HOLDFAST_OIDC_ROLES_CLAIM: setting(list, 'roles', {
    description:
      'Claims with the roles: `Admin`, `Developer`, `Viewer`, or `<project>:<role>` for one ' +
      'project. A nested claim is a path such as `realm_access.roles`.',
  }),
  HOLDFAST_OIDC_GROUPS_CLAIM: setting(list, 'groups', {
    description:
      'Claims with groups, which give roles only through `HOLDFAST_OIDC_ROLE_MAP`: a group that ' +
      'is called `Admin` is none.',
  }),
  HOLDFAST_OIDC_ROLE_MAP: setting(pairs, '', {
    description: 'Roles for other values of these claims, such as the ids of groups.',
    example: '5f3c…=Developer,9d21…=sales:Admin',
  }),
  HOLDFAST_OIDC_SUBJECT_CLAIM: setting(text, 'sub', {
    description:
      'Claim that identifies a person permanently; Entra ID: `oid` is the same in all apps.',
  }),
  HOLDFAST_PROJECTS: setting(projectIds, '', {
    description:
      'Projects besides `default`. A role in a project that does not exist counts for nothing; ' +
      'those that exist stay.',
    example: 'sales,support',
  }),
  HOLDFAST_API_KEY_MAX_DAYS: optional(integer(1, 730), {
    description:
      'How long a new API key may live. A request that names no time then gets this; one that ' +
      'names more is refused. Unset: for ever. Keys that exist stay as they are.',
  }),
  HOLDFAST_ADMIN_LINK_TOKEN: optional(secret(32), {
    description:
      'Local mode: token of the one-time console link. `npm start` makes a new one each time.',
  }),
  HOLDFAST_RATE_LIMIT_PER_MINUTE: setting(integer(1, 1_000_000), '60', {
    description:
      'Writing requests and connections a minute, for each caller. Reading requests have 100 ' +
      'times as many, failed credentials 10 times as many for each address.',
  }),
  HOLDFAST_RATE_LIMIT_BURST: setting(integer(1, 1_000_000), '10', {
    description: 'How many of them may come at once.',
  }),
  HOLDFAST_KEY_RATE_LIMIT_PER_MINUTE: setting(integer(1, 1_000_000), '600', {
    description:
      'The same for each API key, where an Admin has not set another limit; never less than a ' +
      'person has.',
  }),
  HOLDFAST_KEY_RATE_LIMIT_BURST: setting(integer(1, 1_000_000), '100', {
    description: 'How many of them may come at once; never less than of a person.',
  }),
  HOLDFAST_PROJECT_RATE_LIMIT_PER_MINUTE: optional(integer(1, 1_000_000), {
    description:
      'The same for all callers of a project together, where an Admin has not set another limit. ' +
      'Unset: not limited.',
  }),
  HOLDFAST_PROJECT_RATE_LIMIT_BURST: optional(integer(1, 1_000_000), {
    description: 'How many of them may come at once. Unset: as many as in a minute.',
  }),
};

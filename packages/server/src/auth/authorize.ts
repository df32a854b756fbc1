import { HoldfastError } from '../kernel/index.ts';
import { findPolicy, roleIncludes } from './policies.ts';
import type { Principal } from './principal.ts';

/** The facts about a resource that authorization needs. */
export interface Target {
  readonly projectId: string;
  readonly createdBy: string;
  /** The client secret (`sec_…`) that opened it, when one did. */
  readonly secretId?: string | null;
}

/**
 * What permits the act: membership of the project, ownership, or the role Admin. An `admin` act on
 * another person's work belongs in the audit log (`Audit.record`).
 */
export type Standing = 'member' | 'owner' | 'admin';

/** The cause of errors that `authorize` throws; the audit log records it. */
export class Denial extends Error {
  override readonly name = 'Denial';
  readonly policy: string;
  readonly principal: Principal;

  constructor(policy: string, principal: Principal, reason: string) {
    super(reason);
    this.policy = policy;
    this.principal = principal;
  }
}

const NOT_FOUND_TEXT = 'There is no such resource, or you may not see it.';

/** The same answer for absent resources and for those of others, so that ids cannot be probed. */
export function notFound(cause?: unknown): HoldfastError {
  return new HoldfastError('not_found', NOT_FOUND_TEXT, { cause });
}

/**
 * Checks `principal` against one row of the policy table; throws `forbidden` or `not_found`.
 * Without a target only role and kind of credential are checked; `null` (absent) gives the same 404
 * as another project's resource.
 */
export function authorize(
  policyId: string,
  principal: Principal,
  target?: Target | null,
): Standing {
  const policy = findPolicy(policyId);
  if (policy === undefined) throw new Error(`No policy ${policyId}.`);
  if (policy.public) return 'member';
  if (principal.kind === 'client_secret' && !policy.clientSecret) {
    throw forbidden(policyId, principal, 'A client secret may not do this.');
  }
  if (principal.grant?.isOver && policy.clientSecret !== 'opened') {
    const text = 'This client secret has expired. It is good only for what it opened before.';
    throw new HoldfastError('unauthenticated', text, {
      cause: new Denial(policyId, principal, text),
    });
  }
  const { scopes } = principal;
  if (scopes !== undefined && !policy.scopes?.some(scope => scopes.includes(scope))) {
    throw forbidden(policyId, principal, 'The scopes of this key do not permit this.');
  }
  if (!roleIncludes(principal.role, policy.role)) {
    throw forbidden(policyId, principal, `This needs the role ${policy.role}.`);
  }
  if (target === undefined) return 'member';
  if (target === null) throw notFound();
  if (target.projectId !== principal.projectId) {
    throw notFound(new Denial(policyId, principal, 'Of another project.'));
  }
  if (isOwner(principal, target)) return 'owner';
  if (policy.owner === undefined) return 'member';
  if (principal.kind !== 'client_secret' && principal.role === 'Admin') return 'admin';
  if (policy.owner === 'visible') {
    throw forbidden(policyId, principal, 'Only its creator and Admins may do this.');
  }
  throw notFound(new Denial(policyId, principal, 'Of another creator.'));
}

/** A client secret owns only what it opened itself, not its minter's other work. */
function isOwner(principal: Principal, target: Target): boolean {
  if (principal.kind === 'client_secret') {
    return principal.grant !== undefined && target.secretId === principal.grant.secretId;
  }
  return target.createdBy === principal.id;
}

function forbidden(policyId: string, principal: Principal, text: string): HoldfastError {
  return new HoldfastError('forbidden', text, { cause: new Denial(policyId, principal, text) });
}

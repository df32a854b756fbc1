import { HoldfastError } from '../kernel/index.ts';
import { findPolicy, roleIncludes } from './policies.ts';
import type { Principal } from './principal.ts';

/** What must be known of a thing to judge who may touch it. */
export interface Target {
  readonly projectId: string;
  readonly createdBy: string;
  /** The client secret (`sec_…`) that opened it, when one did. */
  readonly secretId?: string | null;
}

/**
 * On whose right the act rests. `admin` means an Admin acting on somebody else's work, which
 * belongs in the audit log (`Audit.record`).
 */
export type Standing = 'member' | 'owner' | 'admin';

/** The cause inside of errors that `authorize` throws: what the audit log records. */
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

const NOT_FOUND_TEXT = 'No such thing, or not yours to see.';

/** The one answer for things that are absent and for things that are foreign. */
export function notFound(cause?: unknown): HoldfastError {
  return new HoldfastError('not_found', NOT_FOUND_TEXT, { cause });
}

/**
 * Judges `principal` by one row of the policy table; throws `forbidden` or `not_found`. Without a
 * target only role and kind of credential are judged; with `null` (absent) the answer is the same
 * 404 as for a foreign thing.
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

/** A client secret owns only what itself opened, not everything of the one who minted it. */
function isOwner(principal: Principal, target: Target): boolean {
  if (principal.kind === 'client_secret') {
    return principal.grant !== undefined && target.secretId === principal.grant.secretId;
  }
  return target.createdBy === principal.id;
}

function forbidden(policyId: string, principal: Principal, text: string): HoldfastError {
  return new HoldfastError('forbidden', text, { cause: new Denial(policyId, principal, text) });
}

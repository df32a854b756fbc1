import type { GuardedRequest } from '../http/index.ts';
import type { Principal } from './principal.ts';

/**
 * One way to identify callers. Our API keys and client secrets work in every mode and are checked
 * first; an identity checks the other credentials.
 */
export interface Identity {
  readonly mode: 'local' | 'oidc';
  /** Throws for requests that this mode never serves, public routes included. */
  checkTransport(request: GuardedRequest): void;
  /** The caller, or undefined when none of its credentials is valid. */
  authenticate(request: GuardedRequest): Promise<Principal | undefined>;
}

import type { GuardedRequest } from '../http/index.ts';
import type { Principal } from './principal.ts';

/**
 * One way to tell callers apart. API keys and client secrets of ours work in every mode and are
 * judged before; an identity judges what is left.
 */
export interface Identity {
  readonly mode: 'local' | 'oidc';
  /** Throws for requests that this mode never serves, public routes included. */
  checkTransport(request: GuardedRequest): void;
  /** The caller, or undefined when nothing it presents is valid. */
  authenticate(request: GuardedRequest): Promise<Principal | undefined>;
}

import type { Role, Scope } from '@holdfast/protocol';

/**
 * The caller of a request. `role` is the role in `projectId`, the project this credential acts in.
 * Authorization always looks at the principal, never at the credential behind it.
 */
export interface Principal {
  readonly kind: 'local' | 'user' | 'api_key' | 'client_secret';
  /** Stable and unique: `local`, `user:<sub>`, `key_…`. Owner of what it creates. */
  readonly id: string;
  readonly name: string;
  readonly projectId: string;
  readonly role: Role;
  /** Absent for the local user without a sign-in, whose right is to be on this machine. */
  readonly basis?: Basis;
  /** What an API key was narrowed to; absent: its role decides alone. */
  readonly scopes?: readonly Scope[];
  /** What a client secret was narrowed to; absent for every other kind. */
  readonly grant?: ClientSecretGrant;
  /** The only subjects that may be followed; set when a stream ticket was shown. */
  readonly ticketSubjects?: readonly string[];
}

/**
 * Where a caller's role comes from: an API key or a sign-in with a browser, by the id of its row;
 * or an identity provider's token, by whose claims it is judged. What a caller opens or mints
 * carries the basis on and ends with it.
 */
export type Basis =
  | { readonly kind: 'key' | 'console'; readonly id: string }
  | {
      readonly kind: 'token';
      /** The principal's id. */
      readonly id: string;
      /** As in `claimed_roles`. */
      readonly source: string;
      readonly issuedAtS: number;
    };

/** What a principal may do, and why. */
export type Rights = Pick<Principal, 'id' | 'projectId' | 'role' | 'basis'>;

export interface ClientSecretGrant {
  /** Row id (`sec_…`) of the secret. */
  readonly secretId: string;
  readonly model: string;
  /** The session configuration fixed when the secret was minted (GA shape). */
  readonly session: Record<string, unknown>;
  /** How many sessions it may open. */
  readonly maxSessions?: number;
  /** It has expired, and is good only for what it opened. */
  readonly isOver: boolean;
  /** Parts of the configuration the client may not change; empty: all free. */
  readonly locked: readonly string[];
  /** Of the end user it was minted for, as the provider is told. */
  readonly safetyIdentifier?: string;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set for every route whose policy is not public. */
    principal: Principal;
  }
}

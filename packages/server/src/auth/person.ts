import type { Role } from '@holdfast/protocol';

/** A person whom an identity provider, or the local link, has named. */
export interface Person {
  /** The principal's id. */
  readonly id: string;
  readonly name: string;
  /** Role by project. */
  readonly roles: Readonly<Record<string, Role>>;
}

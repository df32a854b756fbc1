import { hashSecret, newSecret } from '../auth/index.ts';

/**
 * The handles with which one session's client comes back: unguessable, and each for one connection.
 * The one that was used last is good until its client has surely had the next one, for a line may
 * drop before that.
 */
export class ResumeHandles {
  readonly #sessionId: string;
  #newest: string | undefined;
  #used: string | undefined;

  constructor(sessionId: string) {
    this.#sessionId = sessionId;
  }

  /** `<session id>.<secret>`. */
  issue(): string {
    const handle = `${this.#sessionId}.${newSecret()}`;
    this.#used = this.#newest;
    this.#newest = hashSecret(handle);
    return handle;
  }

  /** The client has the newest. */
  confirm(): void {
    this.#used = undefined;
  }

  admits(handle: string): boolean {
    return isAdmitted(this.record(), handle);
  }

  record(): string[] {
    return [this.#newest, this.#used].filter(hash => hash !== undefined);
  }

  restore([newest, used]: readonly string[]): void {
    this.#newest = newest;
    this.#used = used;
  }
}

/** `hashes`: of the handles that are good. */
export function isAdmitted(hashes: readonly string[], handle: string): boolean {
  return hashes.includes(hashSecret(handle));
}

/** The session that a handle names; nothing is proved by it. */
export function sessionOf(handle: string): string {
  return handle.slice(0, Math.max(0, handle.indexOf('.')));
}

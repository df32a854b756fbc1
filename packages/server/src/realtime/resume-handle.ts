import { hashSecret, newSecret } from '../auth/index.ts';

/**
 * The handles with which one session's client comes back: unguessable, and each for one connection.
 * Earlier ones are good until the client has surely had the newest, for a line may drop before
 * that.
 */
const HANDLES_MAX = 8;

export class ResumeHandles {
  readonly #sessionId: string;
  #newest = '';
  /** Good until the client has surely had the newest. */
  #earlier: readonly string[] = [];
  /** Of the present connection; `<session id>.<secret>`. */
  handle: string;

  constructor(sessionId: string) {
    this.#sessionId = sessionId;
    this.handle = this.#issue();
  }

  /** For another connection. */
  renew(): void {
    this.#earlier = this.record();
    this.handle = this.#issue();
  }

  #issue(): string {
    const handle = `${this.#sessionId}.${newSecret()}`;
    this.#newest = hashSecret(handle);
    return handle;
  }

  /** The client has the newest. */
  confirm(): void {
    this.#earlier = [];
  }

  admits(handle: string): boolean {
    return isAdmitted(this.record(), handle);
  }

  record(): string[] {
    return [this.#newest, ...this.#earlier].slice(0, HANDLES_MAX);
  }

  /** The client comes with one of those, and goes on with a new one. */
  restore(hashes: readonly string[]): void {
    this.#earlier = hashes;
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

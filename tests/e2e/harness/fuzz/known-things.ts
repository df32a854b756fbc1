import type { PageHeaders } from '../runs.ts';

/** What exists on the server, for requests that are to find something. */
export interface Known {
  readonly host: string;
  readonly sessions: readonly string[];
  readonly recordings: readonly string[];
  readonly keys: readonly string[];
  readonly budgets: readonly string[];
  readonly providerKeys: readonly string[];
  /** A folder with a git repository. */
  readonly folder: string;
  /** A repository that stays; those of `repos` may get archived. */
  readonly repo: string;
  readonly repos: readonly string[];
  readonly tasks: readonly string[];
  /** Queued, canceled, and canceled with a patch. */
  readonly runs: readonly string[];
  /** Whose streams end: canceled, with a patch. */
  readonly endedRuns: readonly string[];
  /** A call that was placed. */
  readonly call: string;
  /** A valid offer. */
  readonly sdp: string;
  /** The body of a valid upload. */
  readonly upload: Buffer;
  /** What the pages of an Admin send. */
  readonly admin: PageHeaders;
  /** A client secret. */
  readonly secret: string;
  /** Path and query of a signed link to a blob. */
  readonly link: string;
}

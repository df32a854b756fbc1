import type { Project } from './project.ts';

export interface Fault {
  readonly rule: string;
  /** Relative to the repository. */
  readonly file: string;
  readonly line?: number;
  readonly message: string;
  /** True for what is shown and does not fail the check. */
  readonly isWarning?: boolean;
  /** True for what no exception may allow. */
  readonly isFinal?: boolean;
}

export type Rule = (project: Project) => Iterable<Fault>;

/** A file that may break a rule. An exception that allows nothing is a fault itself. */
export interface Exception {
  readonly rule: string;
  readonly file: string;
  /** Why it is better so than within the rule. */
  readonly reason: string;
}

import type { Project } from './project.ts';

export interface Fault {
  readonly rule: string;
  /** Relative to the repository. */
  readonly file: string;
  readonly line?: number;
  readonly message: string;
  /** True for what no exception may allow. */
  readonly final?: boolean;
}

export type Rule = (project: Project) => Iterable<Fault>;

/** Something that may break a rule. One that breaks nothing is a fault itself. */
export interface Exception {
  readonly rule: string;
  readonly file: string;
  /** Why it is better so than within the rule. */
  readonly reason: string;
}

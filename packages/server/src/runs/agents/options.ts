/** What the server tells every adapter of an installed agent. */
export interface AdapterOptions {
  /** Whether the sandbox isolates; only then may an agent do without asking. */
  readonly isolated: boolean;
  /** Where operators install agents, as `npm install --prefix` fills it; also the PATH is used. */
  readonly agentsDir?: string;
  /** Used where a run names none; undefined: the agent's own default. */
  readonly model?: string;
}

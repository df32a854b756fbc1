import type { RunResult } from './messages.ts';

export interface Settings {
  readonly rounds: number;
  readonly sessions: number;
  readonly sizes: readonly number[];
  readonly framesPerSecond: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  readonly idleSessions: number;
  readonly relayCore: number;
  readonly loadCore: number;
}

/** One run of one relay under load. */
export interface Sample extends RunResult {
  readonly target: string;
  readonly round: number;
  readonly sizeBytes: number;
}

export interface Results {
  readonly settings: Settings;
  readonly samples: readonly Sample[];
  /** Bytes per idle session, by relay. */
  readonly idleBytes: Readonly<Record<string, number>>;
}

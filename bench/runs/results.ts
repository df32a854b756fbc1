import type { AppendRound } from './appends.ts';
import type { FanOut } from './fan-out.ts';
import type { NoOpRound } from './no-op.ts';
import type { StartRound } from './start.ts';

export interface Settings {
  readonly rounds: number;
  readonly starts: number;
  readonly subscribers: number;
  readonly lanes: number;
  readonly measureMs: number;
  readonly core: number;
  readonly otherCore: number;
  readonly nice: number;
}

export interface Results {
  readonly settings: Settings;
  readonly starts: readonly StartRound[];
  readonly appends: readonly AppendRound[];
  readonly fanOut: FanOut;
  readonly noOps: readonly NoOpRound[];
}

/**
 * The built-in agent's machine interface: one JSON object per line. The worker writes `ToAgent` to
 * its standard input, the agent writes `FromAgent` to its standard output.
 *
 * The first line must be `start`. The run's token comes this way because an environment can be read
 * by every command the agent runs. A closed standard input means that the worker is gone.
 */
export interface Start {
  readonly type: 'start';
  readonly instruction: string;
  readonly resume: string | null;
  readonly model: string;
  /** Of the Responses API, ending in `/v1`. */
  readonly baseUrl: string;
  readonly token: string;
}

/** The agent answers `accepted` once it is certain that the model will see it. */
export interface FollowUp {
  readonly type: 'message';
  readonly id: string;
  readonly text: string;
}

export type ToAgent = Start | FollowUp;

export type PlanStatus = 'pending' | 'active' | 'done';

export type FromAgent =
  | { type: 'init'; session_id: string; model: string; resumed: boolean }
  | { type: 'message'; text: string }
  | { type: 'thought'; text: string }
  | { type: 'plan'; items: readonly { text: string; status: PlanStatus }[] }
  | { type: 'tool_start'; call_id: string; name: string; kind: string; input: string }
  | {
      type: 'tool_finish';
      call_id: string;
      status: 'ok' | 'error';
      exit_code: number | null;
      output: string;
    }
  | { type: 'usage'; input_tokens: number; output_tokens: number; cached_tokens: number }
  | { type: 'retry'; attempt: number; status: number | null; message: string }
  | { type: 'accepted'; id: string }
  | Result;

export type Result =
  | { type: 'result'; status: 'success'; summary: string }
  | { type: 'result'; status: 'error'; reason: 'agent_error' | 'budget'; message: string }
  | { type: 'result'; status: 'interrupted' };

import type { NewEvent } from '../../platform/log/index.ts';
import type { SandboxedProcess } from '../sandbox/sandbox.ts';

/**
 * The port of coding agents. An adapter turns one agent's own machine interface into log events.
 * It starts its process with `spawn`, so that where and how it runs is the sandbox's business, and
 * it reaches models only through the gateway with the run's token.
 *
 *   start ──events──▶ … ──terminal success event──▶ succeeded
 *                       └── process ended without one, error event ──▶ failed
 *
 * Success is a terminal success event, never an exit code.
 */
export interface AgentVersion {
  readonly available: boolean;
  readonly version: string | null;
  /** The version the adapter was tested with. */
  readonly wantedVersion: string | null;
  /** The command that installs it. */
  readonly install: string | null;
}

export interface AgentContext {
  readonly instruction: string;
  /** The agent's own session from an earlier attempt, or from the run this one continues. */
  readonly resume: string | null;
  /** Null: the adapter's default. */
  readonly model: string | null;
  /** As the agent sees them. */
  readonly workspaceDir: string;
  readonly homeDir: string;
  /** `http://127.0.0.1:…` inside; providers' paths below it: `/model/openai/v1` and so on. */
  readonly gatewayUrl: string;
  readonly token: string;
  /** Environment is `env` on top of the sandbox's allowlist. */
  spawn(command: readonly string[], env: Readonly<Record<string, string>>): SandboxedProcess;
  /** Takes an event for the run's log. Bounded; never throws, never waits. */
  emit(event: NewEvent): void;
}

export type AgentOutcome =
  | { readonly kind: 'succeeded'; readonly summary: string }
  | {
      readonly kind: 'failed';
      readonly reason: 'agent_error' | 'budget';
      readonly message: string;
    };

export interface AgentRun {
  /** Resolves once the agent's process has ended. Never rejects. */
  readonly done: Promise<AgentOutcome>;
  /** Gives the running agent another message; false when it cannot take one now. */
  steer(text: string): Promise<boolean>;
  /** Asks the agent to stop: SIGINT or its own request first, then the group by the worker. */
  stop(signal: NodeJS.Signals): void;
}

export interface Agent {
  readonly name: string;
  readonly title: string;
  readonly steerable: boolean;
  readonly resumable: boolean;
  /** Host paths the sandbox must show read-only for this agent to run. */
  readonly readOnlyPaths: readonly string[];
  probe(): Promise<AgentVersion>;
  start(context: AgentContext): AgentRun;
}

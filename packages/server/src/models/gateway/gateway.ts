import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Trx } from '../../platform/database/index.ts';

/**
 * The model gateway as runs use it: tokens bound to one run, and a plain Node handler of the
 * `/model/…` routes, to be served on a run's own Unix socket.
 */
export interface ModelCall {
  readonly runId: string;
  readonly model: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedTokens: number;
  /** Null for a model without a price. */
  readonly costUsd: number | null;
  /** HTTP status of the upstream's answer. */
  readonly status: number;
}

export interface BudgetNotice {
  readonly runId: string;
  readonly scope: 'run' | 'owner' | 'project_month';
  readonly percent: 80 | 90 | 100;
  readonly spentUsd: number;
  readonly limitUsd: number;
}

export interface ModelGateway {
  /** A token (`rt_…`) for one attempt of one run; shown once, stored hashed. */
  issueRunToken(
    trx: Trx,
    run: { id: string; projectId: string; owner: string },
    ttlMs: number,
  ): Promise<string>;
  revokeRunTokens(trx: Trx, runId: string): Promise<void>;
  /**
   * Serves `/model/{openai,anthropic,gemini}/…` and nothing else. `runId`: only that run's token is
   * accepted on this socket. Never throws.
   */
  handle(request: IncomingMessage, response: ServerResponse, only: { runId: string }): void;
  /** Settled calls and reached shares of budgets of a run, while it is watched. */
  watch(
    runId: string,
    listener: { onCall(call: ModelCall): void; onBudget(notice: BudgetNotice): void },
  ): () => void;
}

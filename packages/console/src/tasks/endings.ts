import type { EventEnvelope, RunStatus } from '@holdfast/protocol';

/** The end of a run that this tab saw running. */
export interface Ending {
  runId: string;
  taskId: string;
  messageId: string;
  agent: string;
  title: string;
  status: Extract<RunStatus, 'succeeded' | 'failed' | 'canceled'>;
}

type Awaited = Omit<Ending, 'status'>;

const STATUS = {
  'run.succeeded': 'succeeded',
  'run.failed': 'failed',
  'run.canceled': 'canceled',
} as const;
const awaited = new Map<string, Awaited>();
const listeners = new Set<(ending: Ending) => void>();

/** Has the end of this run reported. Only for runs that have not ended. */
export function awaitEnding(run: Awaited): void {
  awaited.set(run.runId, run);
}

export function reportEnding(runId: string, event: EventEnvelope): void {
  const status = STATUS[event.type as keyof typeof STATUS];
  const run = awaited.get(runId);
  if (status === undefined || run === undefined) return;
  awaited.delete(runId);
  for (const listener of [...listeners]) listener({ ...run, status });
}

export function onEnding(listener: (ending: Ending) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

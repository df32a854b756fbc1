import type { ApiKey, Run, Session } from '@holdfast/protocol';

const DAY_MS = 86_400_000;
/** How long a failure is shown. */
const FAILURE_NEWS_MS = DAY_MS;
/** How long before its end a key is listed. */
const KEY_NOTICE_MS = 14 * DAY_MS;
const SHOWN_MAX = 5;

export function recentFailures(sessions: readonly Session[], nowMs: number): Session[] {
  return sessions
    .filter(session => session.state === 'failed')
    .filter(s => nowMs - Date.parse(s.ended_at ?? s.created_at) < FAILURE_NEWS_MS)
    .slice(0, SHOWN_MAX);
}

/** Failed runs that were not retried. */
export function recentFailedRuns(runs: readonly Run[], nowMs: number): Run[] {
  return runs
    .filter(run => run.status === 'failed' && run.reason !== 'canceled')
    .filter(run => !runs.some(other => other.retry_of === run.id))
    .filter(run => nowMs - Date.parse(run.finished_at ?? run.created_at) < FAILURE_NEWS_MS)
    .slice(0, SHOWN_MAX);
}

export function expiringKeys(keys: readonly ApiKey[], nowMs: number): ApiKey[] {
  return keys.filter(key => {
    if (key.revoked_at !== null || key.expires_at === null) return false;
    const leftMs = Date.parse(key.expires_at) - nowMs;
    return leftMs > 0 && leftMs < KEY_NOTICE_MS;
  });
}

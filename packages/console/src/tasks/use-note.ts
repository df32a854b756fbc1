import type { EventEnvelope } from '@holdfast/protocol';
import { useTranslation } from 'react-i18next';
import { nameKey } from '../timeline/describe.ts';

export interface Note {
  words: string;
  tone: 'plain' | 'good' | 'bad' | 'warn';
  /** The text that came with the event; null where there is none. */
  message: string | null;
}

const TONES: Readonly<Record<string, Note['tone']>> = {
  'run.succeeded': 'good',
  'run.failed': 'bad',
  'run.canceled': 'warn',
  'agent.output': 'warn',
  'agent.retrying': 'warn',
  'budget.reached': 'warn',
};

/** What an event of a run's life means, in a few words. */
export function useNote(event: EventEnvelope): Note {
  const words = useWords(event);
  const { message, summary } = event.data;
  const said = message ?? summary;
  return {
    words,
    tone: TONES[event.type] ?? 'plain',
    message: typeof said === 'string' && said !== '' ? said : null,
  };
}

/** As many as git shows of a commit's name. */
const COMMIT_CHARS = 7;

/** Notes that need only the event's own fields. */
const TEXTS: Readonly<Record<string, string>> = {
  'run.started': 'note.started',
  'run.requeued': 'note.requeued',
  'run.cancel_requested': 'note.cancelRequested',
  'agent.output': 'log.truncated',
  'agent.retrying': 'note.retrying',
  'message.steered': 'note.steered',
  'checkpoint.saved': 'note.checkpoint',
  'budget.reached': 'note.budget',
  'patch.created': 'note.patch',
  'run.succeeded': 'note.succeeded',
  'run.canceled': 'note.canceled',
};

function useWords({ type, data }: EventEnvelope): string {
  const { t } = useTranslation('tasks');
  const timeline = useTranslation('timeline').t;
  const reasonOf = useReason();
  const facts = data as Record<string, string>;
  const simple = TEXTS[type];
  if (simple !== undefined) return String(t(simple as never, facts as never));
  if (type === 'run.resumed') {
    const key = data.checkpoint === null ? 'note.resumedFresh' : 'note.resumed';
    return String(t(key as never, facts as never));
  }
  if (type === 'workspace.ready') {
    return t('note.workspace', { base: String(data.base_commit).slice(0, COMMIT_CHARS) });
  }
  if (type === 'tests.finished') {
    const code = typeof data.exit_code === 'number' ? data.exit_code : null;
    const outcome = t(`tests.${outcomeOf(code)}`);
    return t(data.phase === 'after' ? 'note.testsAfter' : 'note.testsBefore', { outcome });
  }
  if (type === 'run.failed') return t('note.failed', { reason: reasonOf(facts.reason ?? null) });
  return timeline(nameKey(type) as never, { defaultValue: type });
}

export function outcomeOf(exitCode: number | null): 'passed' | 'failed' | 'timedOut' {
  if (exitCode === null) return 'timedOut';
  return exitCode === 0 ? 'passed' : 'failed';
}

/** Why a run ended, in words; an unknown reason as it is. */
export function useReason(): (reason: string | null) => string {
  const { t, i18n } = useTranslation('tasks');
  return reason => {
    if (reason === null) return '';
    const key = `reason.${reason}`;
    return i18n.exists(`tasks:${key}`) ? t(key as never) : reason;
  };
}

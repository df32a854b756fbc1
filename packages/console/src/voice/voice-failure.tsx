import { Button } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { Icon } from '../ui/icons.tsx';
import styles from '../ui/problem.module.css';
import { RequestId } from '../ui/problem.tsx';
import { shortDetail } from '../ui/problem-words.ts';
import type { VoiceView } from './voice-store.ts';

/** Errors of the browser when a microphone is asked for. */
const MICROPHONE = new Set([
  'NotAllowedError',
  'NotFoundError',
  'NotReadableError',
  'OverconstrainedError',
  'SecurityError',
  'TypeError',
]);

/** What went wrong, whether the session goes on, what was saved and what to do. */
export function VoiceFailure(props: { view: VoiceView; onTyped: (() => void) | null }) {
  const { t, i18n } = useTranslation('voice');
  const { session } = props.view;
  if (!session) return null;
  const { problem, closed, state } = session;
  if (state === 'failed') {
    const microphone = problem !== null && MICROPHONE.has(problem.code);
    const key = microphone ? 'microphone' : (problem?.code ?? 'lost');
    const known = i18n.exists(`voice:failure.${key}.what`);
    return (
      <div className={styles.problem} role="alert">
        <Icon name="alert" />
        <div>
          <strong>{t(`failure.${known ? key : 'lost'}.what` as never)}</strong>
          {!microphone && <p lang="en">{shortDetail(problem?.message || closed?.reason || '')}</p>}
          <p>{t(`failure.${known ? key : 'lost'}.todo` as never)}</p>
          {microphone && props.onTyped && (
            <Button size="xs" variant="default" onClick={props.onTyped}>
              {t('withoutMicrophone')}
            </Button>
          )}
          {problem?.requestId && <RequestId id={problem.requestId} />}
        </div>
      </div>
    );
  }
  if (problem === null || state === 'ended') return null;
  return (
    <div className={`${styles.problem} ${styles.mild}`} role="status">
      <Icon name="info" />
      <div>
        <strong>{t('modelError')}</strong>
        <p lang="en">{shortDetail(problem.message)}</p>
      </div>
    </div>
  );
}

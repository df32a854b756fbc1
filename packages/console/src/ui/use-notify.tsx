import { Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { type ReactNode, useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import styles from './notify.module.css';
import { RequestId } from './problem.tsx';
import { useProblemWords } from './problem-words.ts';
import { useAnnounce } from './use-announce.tsx';

const DONE_MS = 6000;

export interface Notice {
  id?: string;
  tone: 'good' | 'warn' | 'bad' | 'quiet';
  words: string;
  /** Shown after the words, such as a link. */
  more?: ReactNode;
  /** Null: it stays until the reader closes it. */
  closeAfterMs: number | null;
}

const COLOURS: Record<Notice['tone'], string> = {
  good: 'var(--hf-good)',
  warn: 'var(--hf-warn)',
  bad: 'var(--hf-bad)',
  quiet: 'var(--hf-ink-soft)',
};

/**
 * Answers an act in the corner of the page, for acts whose effect is not seen where they were
 * started. A failure stays until the reader closes it. Screen readers hear the words from the
 * page's live region, because they miss what is inserted together with its own region.
 */
export function useNotify() {
  const { t } = useTranslation('ui');
  const announce = useAnnounce();
  const problemWords = useProblemWords();
  return useMemo(() => {
    const show = ({ id, tone, words, more, closeAfterMs }: Notice) => {
      announce(words);
      notifications.show({
        id,
        role: 'presentation',
        color: COLOURS[tone],
        classNames: { root: styles.root, description: styles.words },
        closeButtonProps: { 'aria-label': t('dismiss') },
        autoClose: closeAfterMs ?? false,
        message: (
          <>
            {words} {more}
          </>
        ),
      });
    };
    return {
      show,
      done: (words: string) => show({ tone: 'good', words, closeAfterMs: DONE_MS }),
      failed: (error: unknown) => {
        const { what, detail, todo, requestId } = problemWords(error);
        const more = (
          <>
            {detail !== '' && (
              <Text size="sm" lang="en">
                {detail}
              </Text>
            )}
            <Text size="sm">{todo}</Text>
            {requestId !== null && <RequestId id={requestId} />}
          </>
        );
        show({ tone: 'bad', words: what, more, closeAfterMs: null });
      },
    };
  }, [t, announce, problemWords]);
}

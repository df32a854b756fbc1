import type { Turn } from '@holdfast/client';
import { Button } from '@mantine/core';
import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useFormats } from '../i18n/format.ts';
import { Icon } from '../ui/icons.tsx';
import layout from '../ui/layout.module.css';
import { Empty } from '../ui/page.tsx';
import typography from '../ui/typography.module.css';
import styles from './conversation.module.css';
import { MessageForm } from './message-form.tsx';
import type { VoiceView } from './voice-store.ts';

const AT_END_PX = 40;

/** Turns and tool calls, newest at the bottom, with a field to type into. */
export function Conversation({ view, active }: { view: VoiceView; active: boolean }) {
  const { t } = useTranslation('voice');
  const turns = view.session?.turns ?? [];
  const scroll = useFollow(turns);
  return (
    <section className={`${layout.card} ${styles.conversation}`} aria-labelledby="conversation">
      <h2 id="conversation">{t('conversation')}</h2>
      <section
        ref={scroll.frame}
        className={styles.turns}
        aria-label={t('transcript')}
        onScroll={scroll.onScroll}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys
        tabIndex={0}
      >
        {turns.length === 0 && <Empty title={t('silent')}>{t('silentHint')}</Empty>}
        <ol className={layout.plain}>
          {turns.map(turn => (
            <TurnRow key={turn.id} turn={turn} over={!active} />
          ))}
        </ol>
      </section>
      {!scroll.following && (
        <Button size="xs" variant="default" className={styles.newest} onClick={scroll.follow}>
          {t('newest')}
        </Button>
      )}
      <Spoken turns={turns} />
      <MessageForm active={active && view.openedAtMs !== null} />
    </section>
  );
}

/** `over`: no more events will come, not even the transcript of the last turn. */
function TurnRow({ turn, over }: { turn: Turn; over: boolean }) {
  const { t } = useTranslation('voice');
  const formats = useFormats();
  const time = (
    <time
      dateTime={new Date(turn.startedAt).toISOString()}
      className={`${typography.num} ${styles.turnTime}`}
    >
      {formats.time(turn.startedAt)}
    </time>
  );
  if (turn.tool) {
    return (
      <li className={styles.turn} data-role="tool" data-status={turn.tool.status}>
        <Icon name="tool" size={16} />
        <span className={styles.turnTool}>
          <strong>{turn.tool.name}</strong> <code>{turn.tool.arguments}</code>
        </span>
        <span className={typography.soft}>{t(`tool.${turn.tool.status}`)}</span>
        {time}
      </li>
    );
  }
  const nothing = turn.final || over ? t('noTranscript') : '…';
  return (
    <li className={styles.turn} data-role={turn.role} data-final={turn.final || undefined}>
      <div className={styles.turnHead}>
        <span className={styles.turnWho}>{t(turn.role === 'user' ? 'you' : 'model')}</span>
        {time}
      </div>
      <p>
        {turn.text || <span className={typography.soft}>{nothing}</span>}
        {turn.interrupted && <span className={styles.interrupted}>{t('interrupted')}</span>}
      </p>
    </li>
  );
}

/** Keeps the newest in sight until the reader scrolls up; the button brings that back. */
function useFollow(turns: readonly Turn[]) {
  const frame = useRef<HTMLElement>(null);
  const [following, setFollowing] = useState(true);
  const toEnd = () => {
    const element = frame.current;
    if (element) element.scrollTop = element.scrollHeight;
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: new words are the trigger
  useLayoutEffect(() => {
    if (following) toEnd();
  }, [turns, following]);
  return {
    frame,
    following,
    follow: () => setFollowing(true),
    onScroll: () => {
      const element = frame.current;
      if (!element) return;
      const left = element.scrollHeight - element.scrollTop - element.clientHeight;
      setFollowing(left < AT_END_PX);
    },
  };
}

/** For screen readers: whole turns only, because half words would be read again and again. */
function Spoken({ turns }: { turns: readonly Turn[] }) {
  const { t } = useTranslation('voice');
  const [text, setText] = useState('');
  const said = useRef(new Set<string>());
  useEffect(() => {
    for (const turn of turns) {
      if (!turn.final || turn.text === '' || said.current.has(turn.id)) continue;
      said.current.add(turn.id);
      setText(
        `${t(turn.role === 'user' ? 'you' : turn.tool ? 'toolName' : 'model')}: ${turn.text}`,
      );
    }
  }, [turns, t]);
  return (
    <div className={typography.visuallyHidden} role="log" aria-live="polite">
      {text}
    </div>
  );
}

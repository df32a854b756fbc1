import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { useShortcut } from '../shell/shortcuts.ts';
import layout from '../ui/layout.module.css';
import { Page } from '../ui/page.tsx';
import { useAnnounce } from '../ui/use-announce.tsx';
import { Controls } from './controls.tsx';
import { Conversation } from './conversation.tsx';
import { Details } from './details.tsx';
import { Options } from './options.tsx';
import { PageColours } from './page-colours.tsx';
import { UploadList } from './upload-list.tsx';
import { useLeaveGuard, useUploads, useVoice, voice } from './use-voice.ts';
import styles from './voice.module.css';

/** Talk with a model: one large button, the state in words, the transcript of both sides. */
export function VoicePage() {
  const { t } = useTranslation('voice');
  const view = useVoice();
  const uploads = useUploads();
  const state = view.session?.state ?? 'idle';
  const active = state !== 'idle' && state !== 'ended' && state !== 'failed';
  const announce = useAnnounce();
  const before = useRef<string>(state);
  useEffect(() => {
    if (before.current === state) return;
    before.current = state;
    announce(t(`state.${state}`));
  }, [state, announce, t]);
  useLeaveGuard(active || uploads.some(upload => upload.state === 'sending'));
  useShortcut('space', () => {
    if (active) voice.mute(!(view.session?.muted ?? false));
  });
  return (
    <Page title={t('title')}>
      <div className={styles.voice}>
        <div className={`${layout.stack} ${styles.side}`}>
          <Controls view={view} active={active} />
          <UploadList uploads={uploads} />
          <Options active={active} />
          <PageColours />
          <Details view={view} />
        </div>
        <Conversation view={view} active={active} />
      </div>
    </Page>
  );
}

import { Button, Tooltip } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import i18next from 'i18next';
import { useTranslation } from 'react-i18next';
import { consoleQuery, modelsQuery } from '../app/queries.ts';
import { usePreferences } from '../preferences/preferences.ts';
import { SignInEnd } from '../shell/sign-in-end.tsx';
import { Icon } from '../ui/icons.tsx';
import layout from '../ui/layout.module.css';
import { useNow } from '../ui/use-now.ts';
import { Length } from '../ui/when.tsx';
import { LevelMeter } from './level-meter.tsx';
import { LineNotice } from './line-notice.tsx';
import { defaultModel } from './models.ts';
import { voice } from './use-voice.ts';
import styles from './voice.module.css';
import { VoiceFailure } from './voice-failure.tsx';
import type { VoiceView } from './voice-store.ts';

/** Used until the server's own proposal arrives. */
const BIT_RATE_DEFAULT = 32_000;
const MAX_BYTES_DEFAULT = 50_000_000;

/** Start and close, the state in words, the microphone's level, mute and stop. */
export function Controls({ view, active }: { view: VoiceView; active: boolean }) {
  const { t } = useTranslation('voice');
  const start = useStart();
  const state = view.session?.state ?? 'idle';
  const busy = state === 'thinking' || state === 'speaking';
  return (
    <section className={`${layout.card} ${styles.controls}`} aria-label={t('controls')}>
      <p className={styles.state} data-state={state}>
        <span className={styles.lamp} aria-hidden="true" />
        {t(`state.${state}`)}
      </p>
      <p className={styles.hint}>{t(view.microphone ? `hint.${state}` : 'hint.typed')}</p>
      <SignInEnd className={styles.hint} />
      <Button
        size="xl"
        fullWidth
        className={styles.start}
        variant={active ? 'default' : 'filled'}
        disabled={!active && start === null}
        leftSection={<Icon name={active ? 'stop' : 'mic'} size={22} />}
        onClick={() => void (active ? voice.close() : start?.(true))}
      >
        {t(active ? 'close' : 'start')}
      </Button>
      <LevelMeter muted={view.session?.muted ?? false} active={active && view.microphone} />
      <div className={styles.buttons}>
        <Mute view={view} active={active} />
        <Button
          variant="default"
          px="xs"
          disabled={!busy}
          leftSection={<Icon name="stop" size={16} />}
          onClick={() => voice.interrupt()}
        >
          {t('interrupt')}
        </Button>
      </div>
      <RecordingLine view={view} />
      <LineNotice view={view} />
      <VoiceFailure view={view} onTyped={start === null ? null : () => void start(false)} />
    </section>
  );
}

function Mute({ view, active }: { view: VoiceView; active: boolean }) {
  const { t } = useTranslation('voice');
  const muted = view.session?.muted ?? false;
  return (
    <Tooltip label={t('muteKey')}>
      <Button
        variant={muted ? 'light' : 'default'}
        px="xs"
        disabled={!active || !view.microphone}
        aria-pressed={muted}
        leftSection={<Icon name={muted ? 'micOff' : 'mic'} size={16} />}
        onClick={() => voice.mute(!muted)}
      >
        {t(muted ? 'unmute' : 'mute')}
      </Button>
    </Tooltip>
  );
}

/** Always there, so that nothing moves when a recording begins. */
function RecordingLine({ view }: { view: VoiceView }) {
  const { t } = useTranslation('voice');
  const now = useNow(1000);
  const { openedAtMs, closedAtMs } = view;
  const id = view.session?.session?.id;
  return (
    <p className={styles.recordingLine}>
      <span data-recording={view.recording}>
        {view.recording === 'on' && <Icon name="record" size={14} />}
        {t(`recording.${view.recording}`)}
      </span>
      {openedAtMs !== null && (
        <span className={layout.push}>
          {closedAtMs !== null && id ? (
            <Link to="/sessions/$id" params={{ id }}>
              {t('look')}
            </Link>
          ) : (
            <Length seconds={(Math.max(now, openedAtMs) - openedAtMs) / 1000} />
          )}
        </span>
      )}
    </p>
  );
}

/** What starts a session with the current choices; null until the models are known. */
function useStart(): ((microphone: boolean) => Promise<void>) | null {
  const preferences = usePreferences();
  const models = useQuery(modelsQuery).data;
  const server = useQuery(consoleQuery).data;
  const model = models && defaultModel(models, preferences.model);
  if (!model) return null;
  return microphone =>
    voice.start({
      kind: server?.webrtc === false ? 'websocket' : preferences.transport,
      model,
      microphone,
      audioProcessing: preferences.audioProcessing,
      recording: preferences.recording,
      bitsPerSecond:
        preferences.bitsPerSecond ?? server?.recording.bits_per_second ?? BIT_RATE_DEFAULT,
      maxBytes: server?.recording.max_bytes ?? MAX_BYTES_DEFAULT,
      language: i18next.language,
    });
}

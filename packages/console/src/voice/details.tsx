import { useTranslation } from 'react-i18next';
import { useFormats } from '../i18n/format.ts';
import { CopyButton } from '../ui/copy-button.tsx';
import layout from '../ui/layout.module.css';
import typography from '../ui/typography.module.css';
import { useNow } from '../ui/use-now.ts';
import { voice } from './use-voice.ts';
import styles from './voice.module.css';
import type { VoiceView } from './voice-store.ts';

/** What was sent, to compare with what the other side received, and the session's server. */
export function Details({ view }: { view: VoiceView }) {
  const { t } = useTranslation('voice');
  const formats = useFormats();
  useNow(1000);
  const sent = voice.stats;
  const carrier = view.session?.session;
  const usage = view.session?.usage;
  return (
    <details className={`${layout.card} ${styles.details}`}>
      <summary>{t('details.title')}</summary>
      <dl className={layout.facts}>
        <dt>{t('details.session')}</dt>
        <dd id="session-id">{carrier?.id ?? '—'}</dd>
        <dt>{t('details.server')}</dt>
        <dd>{[carrier?.replica, carrier?.revision].filter(Boolean).join(' · ') || '—'}</dd>
        <dt>{t('details.tokens')}</dt>
        <dd className={typography.num}>{formats.number(usage?.totalTokens ?? 0)}</dd>
        {view.kind === 'webrtc' ? (
          <>
            <dt>{t('details.sent')}</dt>
            <dd>{t('details.webrtc')}</dd>
          </>
        ) : (
          <>
            <dt>{t('details.sent')}</dt>
            <dd className={typography.num}>
              {t('details.seconds', { seconds: (sent?.secondsSent ?? 0).toFixed(2) })}
            </dd>
            <dt>{t('details.bytes')}</dt>
            <dd className={typography.num} id="audio-sent-bytes" data-bytes={sent?.bytesSent ?? 0}>
              {formats.number(sent?.bytesSent ?? 0)}
            </dd>
            <dt>{t('details.frames')}</dt>
            <dd className={typography.num}>
              {t('details.framesText', {
                sent: formats.number(sent?.framesSent ?? 0),
                dropped: formats.number(sent?.framesDropped ?? 0),
              })}
            </dd>
            <dt>SHA-256</dt>
            <dd className={styles.hash}>
              <code id="audio-sent-sha256">{sent?.sha256 ?? '—'}</code>
              {sent && <CopyButton value={sent.sha256} label={t('details.copyHash')} />}
            </dd>
          </>
        )}
      </dl>
    </details>
  );
}

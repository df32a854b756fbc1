import type { UploadView } from '@holdfast/client';
import { Button, Progress } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { uploads as store } from '../app/services.ts';
import { useFormats } from '../i18n/format.ts';
import { Confirm } from '../ui/confirm.tsx';
import { Icon } from '../ui/icons.tsx';
import layout from '../ui/layout.module.css';
import { RequestId } from '../ui/problem.tsx';
import typography from '../ui/typography.module.css';
import { When } from '../ui/when.tsx';
import styles from './voice.module.css';

/** Recordings on their way, and those that did not arrive and are kept in this browser. */
export function UploadList({ uploads }: { uploads: readonly UploadView[] }) {
  const { t } = useTranslation('voice');
  const [doomed, setDoomed] = useState<UploadView | null>(null);
  const formats = useFormats();
  if (uploads.length === 0) return null;
  return (
    <section className={layout.card} aria-labelledby="uploads">
      <h2 id="uploads" className={typography.smallTitle}>
        {t('uploads.title')}
      </h2>
      <ul className={layout.plain}>
        {uploads.map(upload => (
          <UploadRow key={upload.id} upload={upload} onDiscard={() => setDoomed(upload)} />
        ))}
      </ul>
      <Confirm
        opened={doomed !== null}
        title={t('uploads.discardTitle')}
        text={t('uploads.discardText', {
          length: formats.clock(doomed?.metadata.duration ?? 0),
          size: formats.bytes(doomed?.audio.size ?? 0),
        })}
        confirm={t('uploads.discard')}
        onConfirm={() => (doomed ? store.discard(doomed.id) : Promise.resolve())}
        onClose={() => setDoomed(null)}
      />
    </section>
  );
}

function UploadRow({ upload, onDiscard }: { upload: UploadView; onDiscard: () => void }) {
  const { t, i18n } = useTranslation('voice');
  const ui = useTranslation('ui').t;
  const formats = useFormats();
  const what = `${formats.clock(upload.metadata.duration)} · ${formats.bytes(upload.audio.size)}`;
  if (upload.state === 'sending') {
    return (
      <li className={styles.upload}>
        <p className={layout.line}>
          <span>
            {t(upload.attempt > 1 ? 'uploads.again' : 'uploads.sending', {
              attempt: upload.attempt,
            })}
          </span>
          <span className={`${typography.num} ${typography.soft}`}>{what}</span>
        </p>
        <Progress value={upload.progress * 100} aria-label={t('uploads.progress')} />
      </li>
    );
  }
  const code = upload.failure?.code ?? 'network';
  const known = i18n.exists(`ui:problem.${code}.what`);
  return (
    <li className={styles.upload} data-failed>
      <p>
        <Icon name="alert" size={16} />{' '}
        <strong>{known ? ui(`problem.${code}.what` as never) : t('uploads.failed')}</strong>
      </p>
      <p className={typography.soft}>
        {what} · <When at={upload.keptAt} /> · {t(upload.kept ? 'uploads.kept' : 'uploads.notKept')}
      </p>
      <div className={styles.buttons}>
        <Button size="xs" onClick={() => void store.retry(upload.id)}>
          {t('uploads.retry')}
        </Button>
        <Button size="xs" variant="default" onClick={() => save(upload)}>
          {t('uploads.save')}
        </Button>
        <Button size="xs" variant="default" onClick={onDiscard}>
          {t('uploads.discard')}
        </Button>
      </div>
      {upload.failure?.requestId && <RequestId id={upload.failure.requestId} />}
    </li>
  );
}

/** Hands the file to the browser's own download. */
function save(upload: UploadView): void {
  const url = URL.createObjectURL(upload.audio);
  const link = document.createElement('a');
  link.href = url;
  link.download = upload.fileName;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

import type { Recording } from '@holdfast/protocol';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { client, isApiError } from '../app/services.ts';
import { useFormats } from '../i18n/format.ts';
import { Confirm } from '../ui/confirm.tsx';
import layout from '../ui/layout.module.css';
import { Section } from '../ui/page.tsx';
import { Placeholder } from '../ui/placeholder.tsx';
import { Problem } from '../ui/problem.tsx';
import typography from '../ui/typography.module.css';
import { useNotify } from '../ui/use-notify.tsx';
import { RecordingRow } from './recording-row.tsx';
import type { Player } from './use-player.ts';

/** The recordings of a session, to be played, saved and deleted. */
export function RecordingList(props: {
  sessionId: string;
  query: { error: unknown; isPending: boolean; refetch: () => unknown };
  files: readonly Recording[];
  player: Player;
}) {
  const { t } = useTranslation('recordings');
  const formats = useFormats();
  const queries = useQueryClient();
  const notify = useNotify();
  const [doomed, setDoomed] = useState<Recording | null>(null);
  const { error, isPending } = props.query;
  const refused = isApiError(error) && (error.code === 'forbidden' || error.code === 'not_found');
  const remove = async () => {
    if (doomed) await client.recordings.delete(doomed.audio_id);
    notify.done(t('deleted'));
    await queries.invalidateQueries({ queryKey: ['recordings', props.sessionId] });
    await queries.invalidateQueries({ queryKey: ['session', props.sessionId] });
  };
  return (
    <Section title={t('title')} id="recordings">
      {refused && <p className={typography.soft}>{t('forbidden')}</p>}
      {error !== null && !refused && (
        <Problem error={error} onRetry={() => void props.query.refetch()} />
      )}
      {isPending && <Placeholder size="row" />}
      {!isPending && error === null && props.files.length === 0 && (
        <p className={typography.soft}>{t('none')}</p>
      )}
      <ul className={layout.plain}>
        {props.files.map(file => (
          <RecordingRow
            key={file.audio_id}
            recording={file}
            player={props.player}
            onDelete={() => setDoomed(file)}
          />
        ))}
      </ul>
      <Confirm
        opened={doomed !== null}
        title={t('confirm.title')}
        text={t('confirm.text', {
          name: doomed ? t(`type.${doomed.audio_type}`) : '',
          length: formats.clock(doomed?.measured.duration_s ?? 0),
        })}
        confirm={t('confirm.button')}
        onConfirm={remove}
        onClose={() => setDoomed(null)}
      />
    </Section>
  );
}

import type { Recording } from '@holdfast/protocol';
import { ActionIcon, Tooltip } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { client } from '../app/services.ts';
import { useFormats } from '../i18n/format.ts';
import { useWidth } from '../timeline/use-width.ts';
import { Icon } from '../ui/icons.tsx';
import typography from '../ui/typography.module.css';
import { useDownload } from '../ui/use-download.ts';
import { columnPeaks, outlinePath } from './peaks.ts';
import styles from './recordings.module.css';
import { peaksQuery } from './use-peaks.ts';
import type { Player } from './use-player.ts';

const HEIGHT_PX = 44;
const COLUMN_PX = 3;

/** One recording: play, its outline with the position, what it is, save, delete. */
export function RecordingRow(props: {
  recording: Recording;
  player: Player;
  onDelete: (() => void) | null;
}) {
  const { recording, player } = props;
  const { t } = useTranslation('recordings');
  const formats = useFormats();
  const id = recording.audio_id;
  const current = player.currentId === id;
  const playing = current && player.playing;
  const lengthMs = recording.measured.duration_s * 1000;
  const positionMs = current ? player.positionMs : 0;
  const name = t(`type.${recording.audio_type}`);
  const toggle = t(playing ? 'pause' : 'play', { name });
  return (
    <li className={styles.recording}>
      <Tooltip label={toggle}>
        <ActionIcon
          size={40}
          radius="xl"
          variant="filled"
          aria-label={toggle}
          onClick={() => player.toggle(id)}
        >
          <Icon name={playing ? 'pause' : 'play'} />
        </ActionIcon>
      </Tooltip>
      <div className={styles.recordingBody}>
        <div className={styles.recordingHead}>
          <strong>{name}</strong>
          <span className={`${typography.num} ${typography.soft}`}>
            {formats.clock(positionMs / 1000)} / {formats.clock(lengthMs / 1000)} ·{' '}
            {formats.bytes(recording.size_bytes)} · {recording.measured.container}
            {recording.measured.truncated && ` · ${t('truncated')}`}
          </span>
        </div>
        <Outline recording={recording} positionMs={positionMs} onSeek={ms => player.seek(id, ms)} />
        {current && player.failed && <p role="alert">{t('failed')}</p>}
      </div>
      <Tools recording={recording} name={name} onDelete={props.onDelete} />
    </li>
  );
}

function Tools(props: { recording: Recording; name: string; onDelete: (() => void) | null }) {
  const { t } = useTranslation('recordings');
  const save = t('save', { name: props.name });
  const remove = t('delete', { name: props.name });
  const download = useDownload();
  const { audio_id: id, measured } = props.recording;
  const url = client.recordings.audioUrl(id);
  const fileName = `${id}.${measured.container}`;
  return (
    <div className={styles.recordingTools}>
      <Tooltip label={save}>
        <ActionIcon
          component="a"
          variant="subtle"
          color="gray"
          href={url}
          download={fileName}
          onClick={download(url, fileName)}
          aria-label={save}
        >
          <Icon name="download" />
        </ActionIcon>
      </Tooltip>
      {props.onDelete && (
        <Tooltip label={remove}>
          <ActionIcon variant="subtle" color="gray" aria-label={remove} onClick={props.onDelete}>
            <Icon name="trash" />
          </ActionIcon>
        </Tooltip>
      )}
    </div>
  );
}

/** The outline is the track of a native slider: pointer, keys and screen reader come with it. */
function Outline(props: {
  recording: Recording;
  positionMs: number;
  onSeek: (positionMs: number) => void;
}) {
  const { t } = useTranslation('recordings');
  const formats = useFormats();
  const { recording, positionMs } = props;
  const peaks = useQuery(peaksQuery(recording));
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame);
  const lengthMs = recording.measured.duration_s * 1000;
  const count = Math.max(1, Math.floor(width / COLUMN_PX));
  const path =
    peaks.data &&
    outlinePath(
      columnPeaks(peaks.data, { fromMs: 0, toMs: lengthMs, count }),
      COLUMN_PX,
      HEIGHT_PX,
    );
  const share = lengthMs === 0 ? 0 : (positionMs / lengthMs) * 100;
  return (
    <div ref={frame} className={styles.outline} style={{ height: HEIGHT_PX }}>
      <svg width={width} height={HEIGHT_PX} aria-hidden="true">
        {path && <path d={path} className={styles.outlineRest} data-part="rest" />}
        {path && (
          <path
            d={path}
            className={styles.outlineDone}
            style={{ clipPath: `inset(0 ${(100 - share).toFixed(2)}% 0 0)` }}
          />
        )}
      </svg>
      <input
        type="range"
        min={0}
        max={Math.max(1, Math.round(lengthMs))}
        step={100}
        value={Math.round(positionMs)}
        aria-label={t('position')}
        aria-valuetext={formats.clock(positionMs / 1000)}
        onChange={event => props.onSeek(Number(event.currentTarget.value))}
      />
    </div>
  );
}

import type { Session } from '@holdfast/protocol';
import { useTranslation } from 'react-i18next';
import { useFormats } from '../i18n/format.ts';
import { Section } from '../ui/page.tsx';
import tables from '../ui/table.module.css';
import typography from '../ui/typography.module.css';
import styles from './sessions.module.css';

const ROWS = [
  'responses',
  'input_tokens',
  'input_audio_tokens',
  'input_image_tokens',
  'cached_tokens',
  'output_tokens',
  'output_audio_tokens',
  'total_tokens',
  'transcription_input_tokens',
  'transcription_output_tokens',
] as const;
/** Parts of the row above them. */
const PARTS = new Set<string>([
  'input_audio_tokens',
  'input_image_tokens',
  'cached_tokens',
  'output_audio_tokens',
]);

/** What a session has used and cost so far. */
export function UsageTable({ session }: { session: Session }) {
  const { t } = useTranslation('sessions');
  const formats = useFormats();
  const { cost } = session;
  return (
    <Section title={t('usage.title')} id="usage">
      <table className={`${tables.table} ${styles.usage}`}>
        <tbody>
          {ROWS.map(row => (
            <tr key={row} data-part={PARTS.has(row) || undefined}>
              <th scope="row">{t(`usage.${row}`)}</th>
              <td className={`${tables.right} ${typography.num}`}>
                {formats.number(session.usage[row])}
              </td>
            </tr>
          ))}
          <tr>
            <th scope="row">{t('usage.transcription')}</th>
            <td className={`${tables.right} ${typography.num}`}>
              {formats.clock(session.usage.transcription_seconds)}
            </td>
          </tr>
          <tr>
            <th scope="row">{t('usage.cost')}</th>
            <td className={`${tables.right} ${typography.num}`}>
              {cost.usd === null ? t('usage.unknown') : formats.usd(cost.usd)}
            </td>
          </tr>
        </tbody>
      </table>
      {cost.unpriced.length > 0 && (
        <p className={`${typography.soft} ${typography.small}`}>
          {t('usage.unpriced', { models: cost.unpriced.join(', ') })}
        </p>
      )}
      {cost.unreported > 0 && (
        <p className={`${typography.soft} ${typography.small}`}>
          {t('usage.unreported', { count: cost.unreported })}
        </p>
      )}
    </Section>
  );
}

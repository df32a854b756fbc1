import { Tooltip } from '@mantine/core';
import { useFormats } from '../i18n/format.ts';
import typography from './typography.module.css';
import { useNow } from './use-now.ts';

const RENEW_MS = 15_000;

/** A moment as "2 minutes ago", with the exact time on hover and focus and for machines. */
export function When({ at }: { at: string }) {
  const formats = useFormats();
  const now = useNow(RENEW_MS);
  const time = Date.parse(at);
  return (
    <Tooltip label={formats.exact(time)}>
      <time dateTime={at} className={typography.num}>
        {formats.relative(time, now)}
      </time>
    </Tooltip>
  );
}

/** A length of time in tabular figures. */
export function Length({ seconds }: { seconds: number }) {
  const formats = useFormats();
  return <span className={typography.num}>{formats.clock(seconds)}</span>;
}

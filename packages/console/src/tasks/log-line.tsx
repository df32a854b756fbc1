import { useTranslation } from 'react-i18next';
import { useFormats } from '../i18n/format.ts';
import { Icon } from '../ui/icons.tsx';
import typography from '../ui/typography.module.css';
import { AnsiText } from './ansi-text.tsx';
import styles from './log.module.css';
import type { LogRow, ToolRow } from './log-rows.ts';
import { useNote } from './use-note.ts';

interface LineProps {
  row: LogRow;
  unfolded: boolean;
  onToggle: () => void;
}

export function LogLine({ row, unfolded, onToggle }: LineProps) {
  switch (row.kind) {
    case 'line':
      return (
        <div className={styles.line} data-stream={row.stream}>
          <AnsiText text={row.text} />
        </div>
      );
    case 'tool':
      return <Tool tool={row.tool} unfolded={unfolded} onToggle={onToggle} />;
    case 'note':
      return <Note row={row} />;
    default:
      return <Saying row={row} unfolded={unfolded} onToggle={onToggle} />;
  }
}

function Note({ row }: { row: Extract<LogRow, { kind: 'note' }> }) {
  const { words, tone, message } = useNote(row.event);
  const formats = useFormats();
  return (
    <div className={styles.note} data-tone={tone}>
      <span>{words}</span>
      <time className={typography.num} dateTime={row.event.at}>
        {formats.time(Date.parse(row.event.at))}
      </time>
      {message !== null && <p>{message}</p>}
    </div>
  );
}

/** A thought is folded to its first words, because most readers want the result. */
const FOLD_CHARS = 90;

function Saying(props: Omit<LineProps, 'row'> & { row: Extract<LogRow, { kind: 'say' }> }) {
  const { row, unfolded, onToggle } = props;
  const { t } = useTranslation('tasks');
  if (row.role !== 'thought') {
    return (
      <div className={styles.say} data-role={row.role}>
        {row.role === 'user' && <strong>{t('log.you')} </strong>}
        {row.text}
      </div>
    );
  }
  const short = row.text.length <= FOLD_CHARS;
  return (
    <button
      type="button"
      className={`${styles.fold} ${styles.thought}`}
      aria-expanded={unfolded || short}
      onClick={onToggle}
    >
      <Caret unfolded={unfolded || short} />
      <span>
        <span className={typography.visuallyHidden}>{t('log.thought')} </span>
        {unfolded || short ? row.text : `${row.text.slice(0, FOLD_CHARS)}…`}
      </span>
    </button>
  );
}

const TOOL_MARKS = { running: '●', ok: '✓', error: '▲' } as const;
const TOOL_WORDS = { running: 'toolRunning', ok: 'toolOk', error: 'toolError' } as const;

function Tool(props: { tool: ToolRow; unfolded: boolean; onToggle: () => void }) {
  const { tool, unfolded } = props;
  const { t } = useTranslation('tasks');
  const formats = useFormats();
  return (
    <div className={styles.tool} data-status={tool.status}>
      <button
        type="button"
        className={styles.fold}
        aria-expanded={unfolded}
        onClick={props.onToggle}
      >
        <Caret unfolded={unfolded} />
        <Icon name="tool" size={14} />
        <strong>{tool.name}</strong>
        <code>{tool.input?.split('\n')[0]}</code>
        <span className={styles.toolState}>
          <span aria-hidden="true">{TOOL_MARKS[tool.status]}</span>
          <span className={typography.visuallyHidden}>{t(`log.${TOOL_WORDS[tool.status]}`)}</span>
          {tool.seconds !== null && (
            <span className={typography.num}>{formats.clock(tool.seconds)}</span>
          )}
        </span>
      </button>
      {unfolded && (
        <dl className={styles.parts}>
          {tool.input !== null && <Part name={t('log.input')} text={tool.input} />}
          {tool.output !== null && <Part name={t('log.output')} text={tool.output} />}
          {tool.exitCode !== null && <dd>{t('log.exit', { code: tool.exitCode })}</dd>}
        </dl>
      )}
    </div>
  );
}

function Part({ name, text }: { name: string; text: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>
        <pre>
          <AnsiText text={text} />
        </pre>
      </dd>
    </>
  );
}

function Caret({ unfolded }: { unfolded: boolean }) {
  return (
    <span className={styles.caret} data-open={unfolded || undefined} aria-hidden="true">
      ▸
    </span>
  );
}

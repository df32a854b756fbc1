import '@git-diff-view/react/styles/diff-view-pure.css';
import { DiffModeEnum, DiffView } from '@git-diff-view/react';
import type { Run } from '@holdfast/protocol';
import { Button, SegmentedControl, useComputedColorScheme } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { patchQuery } from '../app/run-queries.ts';
import { isApiError } from '../app/services.ts';
import { PagePending } from '../shell/fallbacks.tsx';
import { visible } from '../text/visible.ts';
import { useWidth } from '../timeline/use-width.ts';
import { Problem } from '../ui/problem.tsx';
import styles from './diff.module.css';
import { FILE_LARGE_LINES, PATCH_MAX_CHARS, type PatchFile, parsePatch } from './patch.ts';
import { Lines } from './run-facts.tsx';
import { isOver } from './run-states.ts';
import shared from './tasks.module.css';

type Mode = 'unified' | 'split';
/** Below this two columns of code cannot be read. */
const SPLIT_MIN_PX = 720;

/** What a run has changed, file by file. */
export function RunDiff({ run, agent }: { run: Run; agent: string }) {
  const { t } = useTranslation('tasks');
  const frame = useRef<HTMLElement>(null);
  const width = useWidth(frame);
  const [chosen, setMode] = useState<Mode | null>(null);
  const mode = chosen ?? (width >= SPLIT_MIN_PX ? 'split' : 'unified');
  return (
    <section
      ref={frame}
      className={styles.diff}
      aria-label={t('diff.label', { agent })}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys
      tabIndex={0}
    >
      <SegmentedControl
        size="xs"
        aria-label={t('diff.mode')}
        value={mode}
        onChange={value => setMode(value as Mode)}
        data={[
          { value: 'unified', label: t('diff.unified') },
          { value: 'split', label: t('diff.split') },
        ]}
      />
      <Patch run={run} mode={mode} />
    </section>
  );
}

function Patch({ run, mode }: { run: Run; mode: Mode }) {
  const { t } = useTranslation('tasks');
  const ready = isOver(run.status);
  const patch = useQuery({ ...patchQuery(run.id), enabled: ready && run.head_commit !== null });
  const text = patch.data ?? '';
  const large = text.length > PATCH_MAX_CHARS;
  const files = useMemo(() => (large ? [] : parsePatch(text)), [text, large]);
  if (!ready) return <p className={shared.hint}>{t('diff.notYet')}</p>;
  const none = isApiError(patch.error) && patch.error.code === 'not_found';
  if (patch.error && !none) {
    return <Problem error={patch.error} onRetry={() => void patch.refetch()} />;
  }
  if (patch.isLoading) return <PagePending />;
  if (large) return <p className={shared.hint}>{t('diff.tooLarge')}</p>;
  if (files.length === 0) return <p className={shared.hint}>{t('diff.none')}</p>;
  return files.map(file => <FileDiff key={file.path} file={file} mode={mode} />);
}

function FileDiff({ file, mode }: { file: PatchFile; mode: Mode }) {
  const [open, setOpen] = useState(true);
  return (
    <details className={styles.file} open={open} onToggle={e => setOpen(e.currentTarget.open)}>
      <summary>
        <code>
          {file.status === 'renamed' && `${file.oldPath} → `}
          {file.path}
        </code>
        {!file.binary && <Lines {...file} />}
      </summary>
      {open && <Content file={file} mode={mode} />}
    </details>
  );
}

function Content({ file, mode }: { file: PatchFile; mode: Mode }) {
  const { t } = useTranslation('tasks');
  const scheme = useComputedColorScheme('light');
  const lines = file.insertions + file.deletions;
  const [unfolded, setUnfolded] = useState(lines <= FILE_LARGE_LINES);
  if (file.binary) return <p className={shared.hint}>{t('diff.binary')}</p>;
  if (file.text === '') return <p className={shared.hint}>{t('diff.renamed')}</p>;
  if (!unfolded) {
    return (
      <p className={shared.hint}>
        {t('diff.large', { count: lines })}{' '}
        <Button size="compact-xs" variant="default" onClick={() => setUnfolded(true)}>
          {t('diff.show')}
        </Button>
      </p>
    );
  }
  return (
    <DiffView
      data={{
        oldFile: { fileName: file.oldPath ?? file.path },
        newFile: { fileName: file.path },
        // Drawn by the library itself.
        hunks: [visible(file.text)],
      }}
      diffViewMode={mode === 'split' ? DiffModeEnum.Split : DiffModeEnum.Unified}
      diffViewTheme={scheme}
      diffViewHighlight
      diffViewWrap
      diffViewFontSize={12}
    />
  );
}

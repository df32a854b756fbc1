import { ApiError } from '@holdfast/client';
import { useCallback } from 'react';
import { useTranslation } from 'react-i18next';

/** What a server or model reports may be long; a page shows its beginning. */
const DETAIL_MAX_CHARS = 300;

export interface ProblemWords {
  readonly what: string;
  /** The server's own sentence, in English; '' where the server has not answered. */
  readonly detail: string;
  readonly todo: string;
  readonly requestId: string | null;
}

/** Turns an error into words. Known codes have words of their own in both languages. */
export function useProblemWords(): (error: unknown) => ProblemWords {
  const { t, i18n } = useTranslation('ui');
  return useCallback(
    error => {
      const known = error instanceof ApiError ? error : null;
      const refused = known !== null && known.status >= 400 && known.status < 500;
      const other = refused ? 'refused' : 'unexpected';
      const code = i18n.exists(`ui:problem.${known?.code}.what`) ? known!.code : other;
      return {
        what: t(`problem.${code}.what` as never),
        detail: known?.status ? shortDetail(known.message) : '',
        todo: t(`problem.${code}.todo` as never),
        requestId: known?.requestId ?? null,
      };
    },
    [t, i18n],
  );
}

export function shortDetail(text: string): string {
  return text.length <= DETAIL_MAX_CHARS ? text : `${text.slice(0, DETAIL_MAX_CHARS)}…`;
}

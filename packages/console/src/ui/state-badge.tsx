import type { SessionState } from '@holdfast/protocol';
import { useTranslation } from 'react-i18next';

/** Form and word say the state; colour only helps. */
const SHAPES: Record<SessionState, { className: string; mark: string }> = {
  created: { className: 'hf-state-quiet', mark: '○' },
  connected: { className: 'hf-state-live', mark: '●' },
  disconnected: { className: 'hf-state-warn', mark: '◐' },
  ended: { className: 'hf-state-quiet', mark: '■' },
  expired: { className: 'hf-state-warn', mark: '◷' },
  failed: { className: 'hf-state-bad', mark: '▲' },
};

export function StateBadge({ state }: { state: SessionState }) {
  const { t } = useTranslation('ui');
  const { className, mark } = SHAPES[state];
  return (
    <span className={`hf-state ${className}`} data-state={state}>
      <span aria-hidden="true">{mark}</span> {t(`state.${state}`)}
    </span>
  );
}

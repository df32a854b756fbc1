import type { SessionState } from '@holdfast/protocol';
import { useTranslation } from 'react-i18next';
import { State, type Tone } from './state.tsx';

const LOOKS: Record<SessionState, { tone: Tone; mark: string }> = {
  created: { tone: 'quiet', mark: '○' },
  connected: { tone: 'live', mark: '●' },
  disconnected: { tone: 'warn', mark: '◐' },
  ended: { tone: 'quiet', mark: '■' },
  expired: { tone: 'warn', mark: '◷' },
  failed: { tone: 'bad', mark: '▲' },
};

export function StateBadge({ state }: { state: SessionState }) {
  const { t } = useTranslation('ui');
  return <State {...LOOKS[state]}>{t(`state.${state}`)}</State>;
}

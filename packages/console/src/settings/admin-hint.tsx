import type { Me } from '@holdfast/protocol';
import { useTranslation } from 'react-i18next';
import typography from '../ui/typography.module.css';

/** Explains how to get the rights to manage this, where the reader lacks them. */
export function AdminHint(props: {
  me: Me;
  of: 'keys' | 'providerKeys' | 'budgets' | 'hostedTools' | 'limits';
}) {
  const { t } = useTranslation('settings');
  const { me, of } = props;
  if (me.role === 'Admin') return null;
  return (
    <p className={typography.soft}>
      {t(`${of}.${me.mode === 'local' ? 'localAdmin' : 'adminOnly'}`)}
    </p>
  );
}

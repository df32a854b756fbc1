import type { Budget } from '@holdfast/protocol';
import { useTranslation } from 'react-i18next';

/** What a budget limits, in words. */
export function useScopeName(): (budget: Pick<Budget, 'scope' | 'owner'>) => string {
  const { t } = useTranslation('settings');
  return ({ scope, owner }) =>
    owner === null ? t(`budgets.scope.${scope}`) : t('budgets.scope.oneOwner', { owner });
}

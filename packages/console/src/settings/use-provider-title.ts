import type { ProviderKey } from '@holdfast/protocol';
import { useTranslation } from 'react-i18next';
import { PROVIDER_TITLES } from './providers.ts';

/** What a provider is called. */
export function useProviderTitle(): (provider: ProviderKey['provider']) => string {
  const { t } = useTranslation('settings');
  return provider =>
    provider === 'compatible' ? t('providerKeys.compatible') : PROVIDER_TITLES[provider];
}

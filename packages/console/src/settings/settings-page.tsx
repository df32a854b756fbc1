import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { consoleQuery, meQuery } from '../app/queries.ts';
import layout from '../ui/layout.module.css';
import { Page } from '../ui/page.tsx';
import { ApiKeys } from './api-keys.tsx';
import { Audit } from './audit.tsx';
import { Budgets } from './budget-section.tsx';
import { HostedToolsSection } from './hosted-tools.tsx';
import { LimitsSection } from './limits-section.tsx';
import { Preferences } from './preferences-section.tsx';
import { ProviderKeys } from './provider-keys.tsx';
import { WhoAmI } from './who-am-i.tsx';

/** The reader's account, this browser's preferences, budgets; for Admins keys and the audit log. */
export function SettingsPage() {
  const { t } = useTranslation('settings');
  const me = useQuery(meQuery).data;
  const server = useQuery(consoleQuery).data;
  const admin = me?.role === 'Admin';
  return (
    <Page title={t('title')}>
      <div className={layout.stack}>
        <div className={`${layout.two} ${layout.twoEven}`}>
          <Preferences server={server} />
          <WhoAmI me={me} server={server} />
        </div>
        <Budgets me={me} />
        <ProviderKeys me={me} />
        <HostedToolsSection me={me} />
        <ApiKeys me={me} />
        <LimitsSection me={me} />
        {admin && <Audit />}
      </div>
    </Page>
  );
}

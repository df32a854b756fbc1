import type { HostedTool, Me } from '@holdfast/protocol';
import { Switch } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { hostedToolsQuery } from '../app/run-queries.ts';
import { client } from '../app/services.ts';
import layout from '../ui/layout.module.css';
import { Section } from '../ui/page.tsx';
import { Placeholder } from '../ui/placeholder.tsx';
import { Problem } from '../ui/problem.tsx';
import typography from '../ui/typography.module.css';
import { useNotify } from '../ui/use-notify.tsx';
import { AdminHint } from './admin-hint.tsx';
import { HOSTED_TOOL_NAMES } from './hosted-tool-names.ts';

/** What providers may do themselves for the project. Everybody reads, Admins allow; at once. */
export function HostedToolsSection({ me }: { me: Me | undefined }) {
  const { t } = useTranslation('settings');
  const { data, error, refetch } = useQuery(hostedToolsQuery);
  const { busy, allow } = useAllow(data?.allowed ?? []);
  return (
    <Section title={t('hostedTools.title')} id="hosted-tools">
      {me && <AdminHint me={me} of="hostedTools" />}
      <p className={typography.soft}>{t('hostedTools.what')}</p>
      {error && <Problem error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Placeholder size="row" />}
      {data && (
        <div className={layout.form}>
          {HOSTED_TOOL_NAMES.map(tool => (
            <Switch
              key={tool}
              label={t(`hostedTools.tool.${tool}`)}
              description={tool}
              checked={data.allowed.includes(tool)}
              disabled={me?.role !== 'Admin' || busy}
              onChange={event => void allow(tool, event.currentTarget.checked)}
            />
          ))}
        </div>
      )}
    </Section>
  );
}

/** Each change states all that is allowed, so the next waits for its answer. */
function useAllow(allowed: readonly HostedTool[]) {
  const { t } = useTranslation('settings');
  const queries = useQueryClient();
  const notify = useNotify();
  const [busy, setBusy] = useState(false);
  const allow = async (tool: HostedTool, isAllowed: boolean) => {
    const others = allowed.filter(one => one !== tool);
    setBusy(true);
    try {
      const set = await client.hostedTools.set({ allowed: isAllowed ? [...others, tool] : others });
      queries.setQueryData(hostedToolsQuery.queryKey, set);
      notify.done(t(isAllowed ? 'hostedTools.isAllowed' : 'hostedTools.isRefused', { tool }));
      await queries.invalidateQueries({ queryKey: ['audit'] });
    } catch (error) {
      notify.failed(error);
    } finally {
      setBusy(false);
    }
  };
  return { busy, allow };
}

import type { AgentInfo } from '@holdfast/protocol';
import { Checkbox } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { agentsQuery } from '../app/run-queries.ts';
import { CopyButton } from '../ui/copy-button.tsx';
import { Icon } from '../ui/icons.tsx';
import layout from '../ui/layout.module.css';
import { Problem } from '../ui/problem.tsx';
import typography from '../ui/typography.module.css';
import shared from './tasks.module.css';

/** Chooses the agents that work side by side; shows how a missing one is installed. */
export function AgentPicker(props: {
  chosen: readonly string[];
  onChange: (next: string[]) => void;
}) {
  const { t } = useTranslation('tasks');
  const agents = useQuery(agentsQuery);
  const toggle = (name: string, on: boolean) =>
    props.onChange(on ? [...props.chosen, name] : props.chosen.filter(other => other !== name));
  return (
    <fieldset className={shared.agents}>
      <legend>{t('agents.title')}</legend>
      {agents.error && <Problem error={agents.error} onRetry={() => void agents.refetch()} />}
      {agents.data?.data.map(agent => (
        <Agent
          key={agent.name}
          agent={agent}
          checked={props.chosen.includes(agent.name)}
          onChange={on => toggle(agent.name, on)}
        />
      ))}
      {agents.data?.isolation_note && (
        <p className={`${typography.soft} ${typography.small}`} lang="en">
          {agents.data.isolation_note}
        </p>
      )}
    </fieldset>
  );
}

function Agent(props: { agent: AgentInfo; checked: boolean; onChange: (on: boolean) => void }) {
  const { agent } = props;
  const { t } = useTranslation('tasks');
  return (
    <div data-missing={!agent.available || undefined}>
      <Checkbox
        label={
          <>
            {agent.title}{' '}
            {agent.version && (
              <span className={`${typography.soft} ${typography.num}`}>{agent.version}</span>
            )}
          </>
        }
        checked={props.checked}
        disabled={!agent.available}
        onChange={event => props.onChange(event.currentTarget.checked)}
      />
      {agent.available && !agent.isolated && (
        <p className={shared.notIsolated}>
          <Icon name="alert" size={14} /> {t('agents.notIsolated')}
        </p>
      )}
      {!agent.available && (
        <div className={shared.agentMissing}>
          <span>{t('agents.missing')}</span>
          {agent.install && (
            <span className={layout.copyable}>
              <code>{agent.install}</code>
              <CopyButton value={agent.install} label={t('agents.copyInstall')} />
            </span>
          )}
        </div>
      )}
    </div>
  );
}

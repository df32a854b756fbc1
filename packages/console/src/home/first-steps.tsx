import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactNode, useId } from 'react';
import { useTranslation } from 'react-i18next';
import { recentSessionsQuery } from '../app/queries.ts';
import { recentTasksQuery, reposQuery } from '../app/run-queries.ts';
import { Icon } from '../ui/icons.tsx';
import { Section } from '../ui/page.tsx';
import styles from './home.module.css';
import { AGENT_STEPS, type FirstStepsShown, firstSteps, VOICE_STEPS } from './steps.ts';

/** Ways to begin, for as long as somebody is beginning. */
export function FirstSteps() {
  const { t } = useTranslation('home');
  const shown = useFirstSteps();
  if (shown === null || (!shown.voice && shown.agents === null)) return null;
  return (
    <Section title={t('first.title')} id="first">
      {shown.voice && <p>{t('first.text')}</p>}
      <div className={styles.ways}>
        {shown.voice && <VoiceSteps />}
        {shown.agents && <AgentSteps done={shown.agents} />}
      </div>
    </Section>
  );
}

function useFirstSteps(): FirstStepsShown | null {
  const sessions = useQuery(recentSessionsQuery).data?.data;
  const repos = useQuery(reposQuery).data?.data;
  const tasks = useQuery(recentTasksQuery).data?.data;
  return sessions && repos && tasks ? firstSteps({ sessions, repos, tasks }) : null;
}

function VoiceSteps() {
  const { t } = useTranslation('home');
  const title = useId();
  return (
    <section aria-labelledby={title}>
      <h3 id={title}>{t('first.voice')}</h3>
      <ol className={styles.steps}>
        {VOICE_STEPS.map(step => (
          <Step key={step} title={t(`first.${step}.title`)} text={t(`first.${step}.text`)} />
        ))}
      </ol>
      <Button component={Link} to="/voice" leftSection={<Icon name="mic" />}>
        {t('talk')}
      </Button>
    </section>
  );
}

function AgentSteps({ done }: { done: NonNullable<FirstStepsShown['agents']> }) {
  const { t } = useTranslation('home');
  const title = useId();
  return (
    <section aria-labelledby={title}>
      <h3 id={title}>{t('first.agents')}</h3>
      <ol className={styles.steps}>
        {AGENT_STEPS.map(step => (
          <Step
            key={step}
            done={done[step]}
            title={t(`first.${step}.title`)}
            text={t(`first.${step}.text`)}
          />
        ))}
      </ol>
      <Button component={Link} to="/tasks" leftSection={<Icon name="board" />}>
        {t('first.toTasks')}
      </Button>
    </section>
  );
}

function Step(props: { title: ReactNode; text: ReactNode; done?: boolean }) {
  const { t } = useTranslation('home');
  return (
    <li data-done={props.done || undefined}>
      <strong>
        {props.title} {props.done && <small className={styles.stepDone}>✓ {t('first.done')}</small>}
      </strong>
      <span>{props.text}</span>
    </li>
  );
}

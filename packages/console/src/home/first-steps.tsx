import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactNode, useId } from 'react';
import { useTranslation } from 'react-i18next';
import { recentSessionsQuery } from '../app/queries.ts';
import { recentTasksQuery, reposQuery } from '../app/run-queries.ts';
import { Icon, type IconName } from '../ui/icons.tsx';
import { Section } from '../ui/page.tsx';
import styles from './home.module.css';
import { AGENT_STEPS, firstSteps, VOICE_STEPS } from './steps.ts';

/** The first steps, on a server where they have not all been done. */
export function FirstSteps() {
  const { t } = useTranslation('home');
  const sessions = useQuery(recentSessionsQuery).data?.data;
  const repos = useQuery(reposQuery).data?.data;
  const tasks = useQuery(recentTasksQuery).data?.data;
  if (!sessions || !repos || !tasks) return null;
  const { voice, agents } = firstSteps({ sessions, repos, tasks });
  if (!voice && agents === null) return null;
  return (
    <Section title={t('first.title')} id="first">
      {voice && <p>{t('first.text')}</p>}
      <div className={styles.ways}>
        {voice && (
          <Way title={t('first.voice')} to="/voice" icon="mic" button={t('talk')}>
            {VOICE_STEPS.map(step => (
              <Step key={step} title={t(`first.${step}.title`)} text={t(`first.${step}.text`)} />
            ))}
          </Way>
        )}
        {agents && (
          <Way title={t('first.agents')} to="/tasks" icon="board" button={t('first.toTasks')}>
            {AGENT_STEPS.map(step => (
              <Step
                key={step}
                done={agents[step]}
                title={t(`first.${step}.title`)}
                text={t(`first.${step}.text`)}
              />
            ))}
          </Way>
        )}
      </div>
    </Section>
  );
}

function Way(props: {
  title: string;
  to: '/voice' | '/tasks';
  icon: IconName;
  button: string;
  children: ReactNode;
}) {
  const title = useId();
  return (
    <section aria-labelledby={title}>
      <h3 id={title}>{props.title}</h3>
      <ol className={styles.steps}>{props.children}</ol>
      <Button component={Link} to={props.to} leftSection={<Icon name={props.icon} />}>
        {props.button}
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

import { Button } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Icon } from '../ui/icons.tsx';
import { Section } from '../ui/page.tsx';

const STEPS = ['talk', 'see', 'connect'] as const;

/** On a server that has seen no session yet. */
export function FirstSteps() {
  const { t } = useTranslation('home');
  return (
    <Section title={t('first.title')} id="first">
      <p>{t('first.text')}</p>
      <ol className="hf-steps">
        {STEPS.map(step => (
          <li key={step}>
            <strong>{t(`first.${step}.title`)}</strong>
            <span>{t(`first.${step}.text`)}</span>
          </li>
        ))}
      </ol>
      <Button component={Link} to="/voice" leftSection={<Icon name="mic" />}>
        {t('talk')}
      </Button>
    </Section>
  );
}

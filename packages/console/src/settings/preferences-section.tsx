import type { ConsoleInfo } from '@holdfast/client';
import {
  type MantineColorScheme,
  NativeSelect,
  Switch,
  useMantineColorScheme,
} from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { changeLanguage } from '../i18n/i18n.ts';
import { setPreferences, usePreferences } from '../preferences/preferences.ts';
import { BIT_RATES, LANGUAGES } from '../preferences/schema.ts';
import layout from '../ui/layout.module.css';
import { Section } from '../ui/page.tsx';

const SCHEMES = ['auto', 'light', 'dark'] as const satisfies MantineColorScheme[];
/** Each language in its own words. */
const LANGUAGE_NAMES = { en: 'English', ja: '日本語' };

/** What this browser remembers; every change takes effect at once. */
export function Preferences({ server }: { server: ConsoleInfo | undefined }) {
  const { t, i18n } = useTranslation('settings');
  const shell = useTranslation('shell').t;
  const preferences = usePreferences();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const proposed = server?.recording.bits_per_second;
  const choose = (value: string) => {
    const language = LANGUAGES.find(known => known === value);
    if (!language) return;
    setPreferences({ language });
    void changeLanguage(language);
  };
  return (
    <Section title={t('preferences.title')} id="preferences">
      <div className={layout.form}>
        <NativeSelect
          label={t('preferences.language')}
          value={i18n.language}
          onChange={event => choose(event.currentTarget.value)}
          data={LANGUAGES.map(value => ({ value, label: LANGUAGE_NAMES[value] }))}
        />
        <NativeSelect
          label={t('preferences.scheme')}
          value={colorScheme}
          onChange={event => {
            const scheme = SCHEMES.find(known => known === event.currentTarget.value);
            if (scheme) setColorScheme(scheme);
          }}
          data={SCHEMES.map(value => ({ value, label: shell(`scheme.${value}`) }))}
        />
        <NativeSelect
          label={t('preferences.bitRate')}
          description={t('preferences.bitRateHint')}
          value={preferences.bitsPerSecond ?? ''}
          onChange={event => {
            const rate = BIT_RATES.find(known => String(known) === event.currentTarget.value);
            setPreferences({ bitsPerSecond: rate ?? null });
          }}
          data={[
            {
              value: '',
              label: proposed
                ? t('preferences.proposed', { rate: proposed / 1000 })
                : t('preferences.default'),
            },
            ...BIT_RATES.map(rate => ({
              value: String(rate),
              label: t('preferences.kbits', { rate: rate / 1000 }),
            })),
          ]}
        />
        <Switch
          label={t('preferences.shortcuts')}
          checked={preferences.shortcuts}
          onChange={event => setPreferences({ shortcuts: event.currentTarget.checked })}
        />
      </div>
    </Section>
  );
}

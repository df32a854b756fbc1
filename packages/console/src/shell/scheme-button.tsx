import {
  type MantineColorScheme,
  Tooltip,
  UnstyledButton,
  useMantineColorScheme,
} from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { Icon, type IconName } from '../ui/icons.tsx';
import styles from './shell.module.css';

const NEXT: Record<MantineColorScheme, MantineColorScheme> = {
  auto: 'light',
  light: 'dark',
  dark: 'auto',
};
const ICONS: Record<MantineColorScheme, IconName> = {
  auto: 'contrast',
  light: 'sun',
  dark: 'moon',
};

/** Steps through automatic, light and dark. */
export function SchemeButton() {
  const { t } = useTranslation('shell');
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const label = t('scheme.button', { scheme: t(`scheme.${colorScheme}`) });
  return (
    <Tooltip label={label}>
      <UnstyledButton
        className={styles.tool}
        aria-label={label}
        onClick={() => setColorScheme(NEXT[colorScheme])}
      >
        <Icon name={ICONS[colorScheme]} />
      </UnstyledButton>
    </Tooltip>
  );
}

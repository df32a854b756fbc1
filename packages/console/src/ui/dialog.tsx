import { Modal } from '@mantine/core';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';

interface DialogProps {
  opened: boolean;
  title: string;
  onClose: () => void;
  size?: 'md' | 'lg';
  /** False: what it shows is seen this once, and a click beside it must not lose it. */
  closeOnClickOutside?: boolean;
  children: ReactNode;
}

/** Lies over the page until its button, Escape or a click beside it closes it. */
export function Dialog(props: DialogProps) {
  const { t } = useTranslation('ui');
  return <Modal centered closeButtonProps={{ 'aria-label': t('close') }} {...props} />;
}

import { Modal } from '@mantine/core';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';

interface DialogProps {
  opened: boolean;
  title: string;
  onClose: () => void;
  size?: 'md' | 'lg';
  /** False where the content is shown only once, so that a click outside does not lose it. */
  closeOnClickOutside?: boolean;
  children: ReactNode;
}

/** Covers the page until its button, Escape or a click outside closes it. */
export function Dialog(props: DialogProps) {
  const { t } = useTranslation('ui');
  return <Modal centered closeButtonProps={{ 'aria-label': t('close') }} {...props} />;
}

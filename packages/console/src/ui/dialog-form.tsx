import { Button, Group } from '@mantine/core';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import layout from './layout.module.css';
import { Problem } from './problem.tsx';
import type { Saving } from './use-saving.ts';

interface DialogFormProps {
  /** The submission and its state. */
  saving: Saving;
  /** States what was saved although the rest failed. */
  saved?: string;
  submit: string;
  complete: boolean;
  autoComplete?: 'off';
  onCancel: () => void;
  children: ReactNode;
}

/** Fields, then the error, then the buttons. */
export function DialogForm(props: DialogFormProps) {
  const { t } = useTranslation('ui');
  const { busy, error, save } = props.saving;
  return (
    <form
      className={layout.form}
      autoComplete={props.autoComplete}
      onSubmit={event => {
        event.preventDefault();
        if (props.complete) void save();
      }}
    >
      {props.children}
      {error !== null && <Problem error={error} saved={props.saved ?? ''} />}
      <Group justify="flex-end">
        <Button variant="default" onClick={props.onCancel}>
          {t('cancel')}
        </Button>
        <Button type="submit" loading={busy} disabled={!props.complete}>
          {props.submit}
        </Button>
      </Group>
    </form>
  );
}

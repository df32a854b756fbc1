import type { LimitList } from '@holdfast/protocol';
import { NativeSelect, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { client } from '../app/services.ts';
import { useFormats } from '../i18n/format.ts';
import { Dialog } from '../ui/dialog.tsx';
import { DialogForm } from '../ui/dialog-form.tsx';
import { useNotify } from '../ui/use-notify.tsx';
import { useSaving } from '../ui/use-saving.ts';
import { defaultsOf, draftOf, FIELDS, limitOf } from './limits.ts';

interface DialogProps {
  limits: LimitList;
  /** `project`, or a key's id; null: closed. */
  asked: string | null;
  subjects: readonly string[];
  nameOf: (subject: string) => string;
  onClose: () => void;
}

/** Sets the limits of the project or of one key; an empty field is as the settings say. */
export function LimitDialog(props: DialogProps) {
  const { t } = useTranslation('settings');
  return (
    <Dialog opened={props.asked !== null} onClose={props.onClose} title={t('limits.setTitle')}>
      <Form {...props} />
    </Dialog>
  );
}

function Form({ limits, asked, subjects, nameOf, onClose }: DialogProps) {
  const { t } = useTranslation('settings');
  const formats = useFormats();
  const queries = useQueryClient();
  const notify = useNotify();
  const [draft, setDraft] = useState(() => draftOf(limits, asked ?? 'project'));
  const saving = useSaving(async () => {
    await client.limits.set(limitOf(draft)!);
    notify.done(t('limits.isSet'));
    await queries.invalidateQueries({ queryKey: ['limits'] });
    await queries.invalidateQueries({ queryKey: ['audit'] });
    onClose();
  });
  const defaults = defaultsOf(limits, draft.subject);
  const all = subjects.includes(draft.subject) ? subjects : [...subjects, draft.subject];
  return (
    <DialogForm
      saving={saving}
      submit={t('limits.save')}
      complete={limitOf(draft) !== null}
      onCancel={onClose}
    >
      <NativeSelect
        label={t('limits.subject')}
        value={draft.subject}
        onChange={event => setDraft(draftOf(limits, event.currentTarget.value))}
        data={all.map(value => ({ value, label: nameOf(value) }))}
      />
      {FIELDS.map(field => {
        const value = defaults[field];
        const said = value === null ? t('limits.unlimited') : formats.number(value);
        return (
          <TextInput
            key={field}
            type="number"
            inputMode="numeric"
            min={1}
            label={t(`limits.column.${field}`)}
            description={t('limits.asSettings', { value: said })}
            value={draft[field]}
            onChange={event => {
              const text = event.currentTarget.value;
              setDraft(now => ({ ...now, [field]: text }));
            }}
          />
        );
      })}
    </DialogForm>
  );
}

import type { ProviderKey } from '@holdfast/protocol';
import { NativeSelect, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { client } from '../app/services.ts';
import { Dialog } from '../ui/dialog.tsx';
import { DialogForm } from '../ui/dialog-form.tsx';
import typography from '../ui/typography.module.css';
import { useNotify } from '../ui/use-notify.tsx';
import { useSaving } from '../ui/use-saving.ts';
import { isKey, PROVIDERS } from './providers.ts';
import { useProviderTitle } from './use-provider-title.ts';

const NAME_MAX_CHARS = 100;
const KEY_MAX_CHARS = 500;

interface DialogProps {
  /** A key to replace, or a new one; null: closed. */
  asked: ProviderKey | 'new' | null;
  known: readonly ProviderKey[];
  onClose: () => void;
}

/** Enters a key. The page drops it as soon as the server has it. */
export function ProviderKeyDialog(props: DialogProps) {
  const { t } = useTranslation('settings');
  const replaces = props.asked !== null && props.asked !== 'new';
  return (
    <Dialog
      opened={props.asked !== null}
      onClose={props.onClose}
      title={t(replaces ? 'providerKeys.replaceTitle' : 'providerKeys.enterTitle')}
    >
      <Form {...props} />
    </Dialog>
  );
}

function Form({ asked, known, onClose }: DialogProps) {
  const { t } = useTranslation('settings');
  const titleOf = useProviderTitle();
  const fixed = asked === 'new' ? null : asked;
  const queries = useQueryClient();
  const notify = useNotify();
  const [fields, setFields] = useState({
    provider: fixed?.provider ?? PROVIDERS[0],
    name: fixed?.name ?? '',
    key: '',
  });
  const change = (next: Partial<typeof fields>) => setFields(now => ({ ...now, ...next }));
  const saving = useSaving(async () => {
    const { provider, name, key } = fields;
    await client.providerKeys.create({ provider, name: name.trim(), key: key.trim() });
    notify.done(t('providerKeys.saved'));
    await queries.invalidateQueries({ queryKey: ['provider-keys'] });
    await queries.invalidateQueries({ queryKey: ['audit'] });
    onClose();
  });
  const before = known.find(key => key.provider === fields.provider);
  return (
    <DialogForm
      saving={saving}
      submit={t('providerKeys.save')}
      complete={fields.name.trim() !== '' && isKey(fields.key.trim())}
      autoComplete="off"
      onCancel={onClose}
    >
      <NativeSelect
        label={t('providerKeys.column.provider')}
        value={fields.provider}
        disabled={fixed !== null}
        onChange={event => {
          const provider = PROVIDERS.find(one => one === event.currentTarget.value);
          if (provider) change({ provider });
        }}
        data={PROVIDERS.map(value => ({ value, label: titleOf(value) }))}
      />
      <TextInput
        label={t('providerKeys.column.name')}
        description={t('providerKeys.nameHint')}
        value={fields.name}
        required
        maxLength={NAME_MAX_CHARS}
        onChange={event => change({ name: event.currentTarget.value })}
      />
      <KeyField value={fields.key} onChange={key => change({ key })} />
      {before && (
        <p className={typography.soft} role="status">
          {t('providerKeys.replaces', { name: before.name, hint: before.hint })}
        </p>
      )}
    </DialogForm>
  );
}

/** Hides what is typed, and keeps the browser from saving it. */
function KeyField({ value, onChange }: { value: string; onChange: (key: string) => void }) {
  const { t } = useTranslation('settings');
  const wrong = value.trim() !== '' && !isKey(value.trim());
  return (
    <TextInput
      type="password"
      autoComplete="new-password"
      spellCheck={false}
      label={t('providerKeys.column.hint')}
      description={t('providerKeys.keyHint')}
      error={wrong && t('providerKeys.keyWrong')}
      value={value}
      required
      data-autofocus
      maxLength={KEY_MAX_CHARS}
      onChange={event => onChange(event.currentTarget.value)}
    />
  );
}

import type { CreatedApiKey } from '@holdfast/client';
import type { Role, Scope } from '@holdfast/protocol';
import { Button, Checkbox, Group, NativeSelect, TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { consoleQuery } from '../app/queries.ts';
import { client } from '../app/services.ts';
import { CopyButton } from '../ui/copy-button.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { DialogForm } from '../ui/dialog-form.tsx';
import layout from '../ui/layout.module.css';
import { useSaving } from '../ui/use-saving.ts';
import styles from './settings.module.css';

const ROLES = ['Viewer', 'Developer', 'Admin'] as const satisfies readonly Role[];
const SCOPES = ['voice', 'runs', 'meetings', 'read'] as const satisfies readonly Scope[];
const LIFETIMES = ['30', '90', '365', ''] as const;
const NAME_MAX_CHARS = 100;

/** Times that the server permits; its longest where it permits none of the usual ones. */
function lifetimesWithin(maxDays: number | null): string[] {
  if (maxDays === null) return [...LIFETIMES];
  const usual = LIFETIMES.filter(days => days !== '' && Number(days) <= maxDays);
  return usual.length > 0 ? usual : [String(maxDays)];
}

/** Makes a key and shows it, the only time it can be seen. */
export function CreateKeyDialog({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const { t } = useTranslation('settings');
  const [created, setCreated] = useState<CreatedApiKey | null>(null);
  const close = () => {
    setCreated(null);
    onClose();
  };
  return (
    <Dialog
      opened={opened}
      onClose={close}
      title={t(created ? 'keys.createdTitle' : 'keys.createTitle')}
      closeOnClickOutside={created === null}
    >
      {created ? (
        <Shown created={created} onClose={close} />
      ) : (
        <Form onCreated={setCreated} onCancel={close} />
      )}
    </Dialog>
  );
}

function Form(props: { onCreated: (key: CreatedApiKey) => void; onCancel: () => void }) {
  const { t } = useTranslation('settings');
  const shell = useTranslation('shell').t;
  const queries = useQueryClient();
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>('Developer');
  const maxDays = useQuery(consoleQuery).data?.api_key_max_days ?? null;
  const lifetimes = lifetimesWithin(maxDays);
  const [chosenDays, setDays] = useState<string>('90');
  const days = lifetimes.includes(chosenDays) ? chosenDays : (lifetimes.at(-1) ?? '');
  const [scopes, setScopes] = useState<Scope[]>([]);
  const saving = useSaving(async () => {
    const lifetime = days === '' ? {} : { expires_in_days: Number(days) };
    const narrowed = scopes.length === 0 ? {} : { scopes };
    props.onCreated(
      await client.apiKeys.create({ name: name.trim(), role, ...lifetime, ...narrowed }),
    );
    await queries.invalidateQueries({ queryKey: ['api-keys'] });
  });
  return (
    <DialogForm
      saving={saving}
      submit={t('keys.create')}
      complete={name.trim() !== ''}
      onCancel={props.onCancel}
    >
      <TextInput
        label={t('keys.column.name')}
        description={t('keys.nameHint')}
        value={name}
        required
        maxLength={NAME_MAX_CHARS}
        data-autofocus
        onChange={event => setName(event.currentTarget.value)}
      />
      <NativeSelect
        label={t('keys.column.role')}
        value={role}
        onChange={event => setRole(ROLES.find(r => r === event.currentTarget.value) ?? role)}
        data={ROLES.map(value => ({ value, label: shell(`role.${value}`) }))}
      />
      <Checkbox.Group
        label={t('keys.column.scopes')}
        description={t('keys.scopesHint')}
        value={scopes}
        onChange={chosen => setScopes(SCOPES.filter(scope => chosen.includes(scope)))}
      >
        <Group mt="xs">
          {SCOPES.map(scope => (
            <Checkbox key={scope} value={scope} label={t(`keys.scope.${scope}`)} />
          ))}
        </Group>
      </Checkbox.Group>
      <NativeSelect
        label={t('keys.column.expires')}
        value={days}
        onChange={event => setDays(event.currentTarget.value)}
        data={lifetimes.map(value => ({
          value,
          label: value === '' ? t('keys.never') : t('keys.days', { days: value }),
        }))}
      />
    </DialogForm>
  );
}

function Shown({ created, onClose }: { created: CreatedApiKey; onClose: () => void }) {
  const { t } = useTranslation('settings');
  return (
    <div className={layout.form}>
      <p>{t('keys.once', { name: created.name })}</p>
      <div className={styles.secret}>
        <code id="created-api-key">{created.key}</code>
      </div>
      <Group justify="flex-end">
        <CopyButton value={created.key} label={t('keys.copy')} text={t('keys.copy')} />
        <Button onClick={onClose}>{t('keys.done')}</Button>
      </Group>
    </div>
  );
}

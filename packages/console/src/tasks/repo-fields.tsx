import { TextInput } from '@mantine/core';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';

/** The editable fields of a repository; an empty one is not set. */
export interface RepoFields {
  readonly name: string;
  readonly branch: string;
  readonly test: string;
}

/** The server's limits. */
const MAX_CHARS = { name: 100, branch: 200, test: 1000 } as const;

/** Name, default branch and test command, for a new and for an existing repository. */
export function RepoInputs(props: {
  fields: RepoFields;
  required: Partial<Record<keyof RepoFields, boolean>>;
  hints: Partial<Record<keyof RepoFields, ReactNode>>;
  onChange: (change: Partial<RepoFields>) => void;
}) {
  const { t } = useTranslation('tasks');
  return (['name', 'branch', 'test'] as const).map(field => (
    <TextInput
      key={field}
      label={t(`addRepo.${field}`)}
      description={props.hints[field]}
      required={props.required[field] ?? false}
      data-autofocus={(field === 'name' && props.required.name) || undefined}
      maxLength={MAX_CHARS[field]}
      placeholder={field === 'test' ? 'npm test' : undefined}
      value={props.fields[field]}
      onChange={event => props.onChange({ [field]: event.currentTarget.value })}
    />
  ));
}

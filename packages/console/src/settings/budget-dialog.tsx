import type { Budget } from '@holdfast/protocol';
import { NativeSelect, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { client } from '../app/services.ts';
import { useFormats } from '../i18n/format.ts';
import { Dialog } from '../ui/dialog.tsx';
import { DialogForm } from '../ui/dialog-form.tsx';
import typography from '../ui/typography.module.css';
import { useNotify } from '../ui/use-notify.tsx';
import { useSaving } from '../ui/use-saving.ts';
import { type BudgetDraft, budgetOf, LIMIT_MAX_USD, replacedBy, SCOPES } from './budgets.ts';
import { useScopeName } from './use-scope-name.ts';

const OWNER_MAX_CHARS = 300;

interface DialogProps {
  /** A budget to change, or a new one; null: closed. */
  asked: Budget | 'new' | null;
  known: readonly Budget[];
  onClose: () => void;
}

/** Sets the limit of a scope; there is one budget for each scope and owner. */
export function BudgetDialog(props: DialogProps) {
  const { t } = useTranslation('settings');
  const changes = props.asked !== null && props.asked !== 'new';
  return (
    <Dialog
      opened={props.asked !== null}
      onClose={props.onClose}
      title={t(changes ? 'budgets.changeTitle' : 'budgets.setTitle')}
    >
      <Form {...props} />
    </Dialog>
  );
}

function Form({ asked, known, onClose }: DialogProps) {
  const { t } = useTranslation('settings');
  const formats = useFormats();
  const nameOf = useScopeName();
  const queries = useQueryClient();
  const notify = useNotify();
  const fixed = asked === 'new' ? null : asked;
  const [draft, setDraft] = useState<BudgetDraft>({
    scope: fixed?.scope ?? SCOPES[0],
    owner: fixed?.owner ?? '',
    limit: fixed === null ? '' : String(fixed.limit_usd),
  });
  const change = (next: Partial<BudgetDraft>) => setDraft(now => ({ ...now, ...next }));
  const saving = useSaving(async () => {
    await client.budgets.set(budgetOf(draft)!);
    notify.done(t('budgets.isSet'));
    await queries.invalidateQueries({ queryKey: ['budgets'] });
    await queries.invalidateQueries({ queryKey: ['audit'] });
    onClose();
  });
  const replaced = fixed === null ? replacedBy(draft, known) : undefined;
  return (
    <DialogForm
      saving={saving}
      submit={t('budgets.save')}
      complete={budgetOf(draft) !== null}
      onCancel={onClose}
    >
      {fixed === null && <Scope draft={draft} onChange={change} />}
      <TextInput
        type="number"
        inputMode="decimal"
        step="any"
        min={0}
        max={LIMIT_MAX_USD}
        required
        data-autofocus
        label={fixed === null ? t('budgets.limit') : t('budgets.limitOf', { of: nameOf(fixed) })}
        description={t('budgets.limitHint')}
        leftSection="$"
        value={draft.limit}
        onChange={event => change({ limit: event.currentTarget.value })}
      />
      {replaced && (
        <p className={typography.soft} role="status">
          {t('budgets.replaces', { limit: formats.usd(replaced.limit_usd) })}
        </p>
      )}
    </DialogForm>
  );
}

function Scope(props: { draft: BudgetDraft; onChange: (change: Partial<BudgetDraft>) => void }) {
  const { draft, onChange } = props;
  const { t } = useTranslation('settings');
  return (
    <>
      <NativeSelect
        label={t('budgets.column.scope')}
        value={draft.scope}
        onChange={event =>
          onChange({ scope: SCOPES.find(one => one === event.currentTarget.value) ?? draft.scope })
        }
        data={SCOPES.map(value => ({ value, label: t(`budgets.choice.${value}`) }))}
      />
      {draft.scope === 'owner' && (
        <TextInput
          label={t('budgets.owner')}
          description={t('budgets.ownerHint')}
          placeholder="user:…"
          value={draft.owner}
          maxLength={OWNER_MAX_CHARS}
          onChange={event => onChange({ owner: event.currentTarget.value })}
        />
      )}
    </>
  );
}

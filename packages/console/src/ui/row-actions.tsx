import { Button, Group } from '@mantine/core';
import tables from './table.module.css';

export interface RowAction {
  text: string;
  /** The action and its row, for screen readers. */
  label: string;
  act: () => void;
}

/** The buttons at the end of a table's row. */
export function RowActions({ actions }: { actions: readonly RowAction[] }) {
  return (
    <Group gap="xs" justify="flex-end" wrap="nowrap" className={tables.rowActions}>
      {actions.map(({ text, label, act }) => (
        <Button
          key={text}
          size="compact-sm"
          variant="default"
          aria-label={label}
          onClick={() => act()}
        >
          {text}
        </Button>
      ))}
    </Group>
  );
}

import { TextInput } from '@mantine/core';
import { useEffect, useRef } from 'react';
import { Icon } from '../ui/icons.tsx';
import styles from './shell.module.css';
import { useShortcut } from './shortcuts.ts';

/** The search of a list: `/` leads to it, Escape away from it. */
export function SearchField(props: {
  label: string;
  hint: string;
  value: string | undefined;
  /** Takes the focus, as an address may ask. */
  focus: boolean | undefined;
  onChange: (value: string | undefined) => void;
}) {
  const field = useRef<HTMLInputElement>(null);
  useShortcut('/', () => field.current?.focus());
  useEffect(() => {
    if (props.focus) field.current?.focus();
  }, [props.focus]);
  return (
    <TextInput
      ref={field}
      type="search"
      className={styles.search}
      aria-label={props.label}
      placeholder={props.hint}
      leftSection={<Icon name="search" size={16} />}
      value={props.value ?? ''}
      onChange={event => props.onChange(event.currentTarget.value || undefined)}
      onKeyDown={event => {
        if (event.key === 'Escape') event.currentTarget.blur();
      }}
    />
  );
}

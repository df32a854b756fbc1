import { Group, Title } from '@mantine/core';
import { type ReactNode, useEffect, useRef } from 'react';
import { visible } from '../text/visible.ts';
import layout from './layout.module.css';
import styles from './page.module.css';

/**
 * The frame of a page: its heading, which names the tab and receives the focus after navigation so
 * that a screen reader begins there, and what can be done with the whole page.
 */
export function Page(props: { title: string; actions?: ReactNode; children: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${visible(props.title)} · Holdfast`;
  }, [props.title]);
  useEffect(() => {
    // Not on the first load, where the browser's own order is right, and not from a field of the
    // page that already took the focus.
    const taken = heading.current?.closest('main')?.querySelector(':focus');
    if (taken || !(window.history.state?.__TSR_index > 0)) return;
    heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <>
      <Group justify="space-between" align="center" mb="md" mih={40} gap="sm">
        <Title order={1} ref={heading} tabIndex={-1} className={styles.title}>
          {props.title}
        </Title>
        {props.actions && <Group gap="xs">{props.actions}</Group>}
      </Group>
      {props.children}
    </>
  );
}

/** A part of a page with a heading of its own. */
export function Section(props: {
  title: string;
  id: string;
  actions?: ReactNode;
  children: ReactNode;
}) {
  return (
    <section aria-labelledby={props.id} className={layout.card}>
      <Group justify="space-between" align="center" mb="sm" mih={30} gap="sm">
        <Title order={2} size="h4" id={props.id}>
          {props.title}
        </Title>
        {props.actions}
      </Group>
      {props.children}
    </section>
  );
}

/** What a page is for when there is nothing on it yet, and the first step. */
export function Empty(props: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className={styles.empty}>
      <p className={styles.emptyTitle}>{props.title}</p>
      {props.children && <p>{props.children}</p>}
      {props.action}
    </div>
  );
}

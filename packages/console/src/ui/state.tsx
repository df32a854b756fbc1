import type { ReactNode } from 'react';
import styles from './state.module.css';

export type Tone = 'live' | 'good' | 'warn' | 'bad' | 'quiet';

/** A state by mark and word; the colour only helps. `children` is the word. */
export function State(props: {
  tone?: Tone | undefined;
  mark: ReactNode;
  title?: string;
  children: ReactNode;
}) {
  return (
    <span className={styles.state} data-tone={props.tone} title={props.title}>
      <span aria-hidden="true">{props.mark}</span> {props.children}
    </span>
  );
}

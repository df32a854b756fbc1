import styles from './placeholder.module.css';

/** Holds the place of rows, or of a whole list, that are being loaded. */
export function Placeholder({ size }: { size: 'row' | 'list' }) {
  return <div className={styles[size]} data-pending />;
}

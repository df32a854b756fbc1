import type { ReactNode } from 'react';
import styles from './icons.module.css';

/**
 * The console's own line icons, 20 × 20, drawn with the text's colour. They accompany words and are
 * hidden from screen readers.
 */
const SHAPES = {
  home: <path d="M3.5 9 10 3.5 16.5 9v7.5h-4.5v-4.5H8v4.5H3.5z" />,
  mic: (
    <>
      <rect x="7.5" y="2.5" width="5" height="9" rx="2.5" />
      <path d="M4.5 9.5a5.5 5.5 0 0 0 11 0M10 15v2.5" />
    </>
  ),
  micOff: (
    <>
      <path d="M7.5 7.5V5a2.5 2.5 0 0 1 5 0v4M12 11.2A2.5 2.5 0 0 1 7.5 9.5" />
      <path d="M4.5 9.5a5.5 5.5 0 0 0 8.8 4.4M15.5 9.5c0 .9-.2 1.7-.5 2.4M10 15v2.5M3 3l14 14" />
    </>
  ),
  board: <path d="M3 4h4v12H3zM8.5 4h4v8h-4zM14 4h3v5h-3z" />,
  queue: <path d="M4 4.5h12v3.5H4zM4 10.5h12M4 13.5h12M4 16.5h7" />,
  archive: <path d="M3 4h14v3.5H3zM4.5 7.5v8.5h11V7.5M8 11h4" />,
  branch: (
    <>
      <path d="M6 6.5v7M14 8.5c0 3-8 2-8 5" />
      <circle cx="6" cy="4.5" r="2" />
      <circle cx="6" cy="15.5" r="2" />
      <circle cx="14" cy="6.5" r="2" />
    </>
  ),
  retry: <path d="M15.8 8A6.2 6.2 0 1 0 16 12M16 3.5V8h-4.5" />,
  send: <path d="M3 10 17 3.5 13 17l-3-6zM10 11l7-7.5" />,
  bell: <path d="M5 14V9a5 5 0 0 1 10 0v5l1 1H4zM8.5 17.5h3" />,
  folder: <path d="M2.5 5h5l1.5 2h8.5v9h-15z" />,
  list: <path d="M7 5h10M7 10h10M7 15h10M3.5 5h.01M3.5 10h.01M3.5 15h.01" />,
  settings: (
    <>
      <path d="M3 6h7M14 6h3M3 14h3M10 14h7" />
      <circle cx="12" cy="6" r="2" />
      <circle cx="8" cy="14" r="2" />
    </>
  ),
  help: (
    <>
      <circle cx="10" cy="10" r="7" />
      <path d="M8 8a2 2 0 1 1 2.8 1.85c-.5.25-.8.65-.8 1.15M10 14h.01" />
    </>
  ),
  sun: (
    <>
      <circle cx="10" cy="10" r="3.2" />
      <path d="M10 2.5v1.5M10 16v1.5M2.5 10H4M16 10h1.5M4.7 4.7l1 1" />
      <path d="M14.3 14.3l1 1M15.3 4.7l-1 1M5.7 14.3l-1 1" />
    </>
  ),
  moon: <path d="M16 11.5A6.5 6.5 0 0 1 8.5 4a6.5 6.5 0 1 0 7.5 7.5z" />,
  contrast: (
    <>
      <circle cx="10" cy="10" r="7" />
      <path d="M10 3v14a7 7 0 0 0 0-14z" fill="currentColor" />
    </>
  ),
  play: <path d="M6 4v12l10-6z" fill="currentColor" />,
  pause: <path d="M6.5 4.5v11M13.5 4.5v11" strokeWidth="3" />,
  stop: <rect x="5" y="5" width="10" height="10" rx="1.5" fill="currentColor" />,
  search: (
    <>
      <circle cx="9" cy="9" r="5.5" />
      <path d="m13 13 4 4" />
    </>
  ),
  copy: (
    <>
      <rect x="7" y="7" width="9.5" height="9.5" rx="1.5" />
      <path d="M13 4.5V4a.5.5 0 0 0-.5-.5H4a.5.5 0 0 0-.5.5v8.5a.5.5 0 0 0 .5.5h.5" />
    </>
  ),
  check: <path d="m4 10.5 4 4 8-9" />,
  alert: (
    <>
      <path d="M10 3 2.5 16.5h15z" />
      <path d="M10 8v4M10 14.2h.01" />
    </>
  ),
  info: (
    <>
      <circle cx="10" cy="10" r="7" />
      <path d="M10 9v4.5M10 6.5h.01" />
    </>
  ),
  trash: <path d="M3.5 5.5h13M8 5.5v-2h4v2M5 5.5l.8 11h8.4l.8-11M8.5 8.5v5M11.5 8.5v5" />,
  download: <path d="M10 3v9.5M6 9l4 4 4-4M4 16.5h12" />,
  upload: <path d="M10 13V3.5M6 7l4-4 4 4M4 16.5h12" />,
  more: <path d="M4.5 10h.01M10 10h.01M15.5 10h.01" strokeWidth="2.6" />,
  plus: <path d="M10 4v12M4 10h12" />,
  minus: <path d="M4 10h12" />,
  fit: <path d="M3 7V3.5h3.5M17 7V3.5h-3.5M3 13v3.5h3.5M17 13v3.5h-3.5" />,
  table: <path d="M3 4.5h14v11H3zM3 8.5h14M8 8.5v7" />,
  link: (
    <>
      <path d="M8.5 11.5a3 3 0 0 0 4.3 0l2.7-2.7a3 3 0 0 0-4.3-4.3l-.9.9" />
      <path d="M11.5 8.5a3 3 0 0 0-4.3 0L4.5 11.2a3 3 0 0 0 4.3 4.3l.9-.9" />
    </>
  ),
  down: <path d="m5 7.5 5 5 5-5" />,
  back: <path d="M12 4 6 10l6 6" />,
  forward: <path d="m8 4 6 6-6 6" />,
  close: <path d="M5 5l10 10M15 5 5 15" />,
  key: (
    <>
      <circle cx="6.5" cy="13.5" r="3" />
      <path d="m8.7 11.3 7.3-7.3M13 7l2.5 2.5" />
    </>
  ),
  tool: (
    <>
      <path d="M13 3.2 10.5 6l.6 2.9 2.9.6 2.8-2.5a4 4 0 0 1-5.3 4.8l-5 5" />
      <path d="M6.5 16.8a1.7 1.7 0 0 1-2.4-2.4l5-5A4 4 0 0 1 13 3.2" />
    </>
  ),
  user: (
    <>
      <circle cx="10" cy="7" r="3.5" />
      <path d="M3.5 17a6.5 6.5 0 0 1 13 0" />
    </>
  ),
  record: <circle cx="10" cy="10" r="5" fill="currentColor" stroke="none" />,
} satisfies Record<string, ReactNode>;

export type IconName = keyof typeof SHAPES;

export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg
      viewBox="0 0 20 20"
      width={size}
      height={size}
      fill="none"
      stroke="currentColor"
      strokeWidth="1.6"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
      className={styles.icon}
    >
      {SHAPES[name]}
    </svg>
  );
}

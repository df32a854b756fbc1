import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';

/** Numbers, sizes, durations and times as a reader of the current language expects them. */
export interface Formats {
  number(value: number): string;
  /** `12.3 MB`; powers of 1,000. */
  bytes(value: number): string;
  /** `4:05`, `1:02:03`: the same width while it runs. */
  clock(seconds: number): string;
  /** `2 minutes ago`. */
  relative(time: number, now: number): string;
  /** Date and time to the second, with the zone. */
  exact(time: number): string;
  time(time: number): string;
  percent(share: number): string;
  /** `$1.20`; four decimals below a cent. */
  usd(value: number): string;
}

const UNITS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
];

export function createFormats(language: string): Formats {
  const number = new Intl.NumberFormat(language);
  const relative = new Intl.RelativeTimeFormat(language, { numeric: 'auto' });
  const exact = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'long' });
  const time = new Intl.DateTimeFormat(language, { timeStyle: 'medium' });
  const percent = new Intl.NumberFormat(language, { style: 'percent' });
  return {
    number: value => number.format(value),
    bytes: value => formatBytes(value, language),
    clock: formatClock,
    relative: (at, now) => {
      const seconds = Math.round((at - now) / 1000);
      const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ['second', 1];
      return relative.format(Math.trunc(seconds / size), unit);
    },
    exact: at => exact.format(at),
    time: at => time.format(at),
    percent: share => percent.format(share),
    usd: value => formatUsd(value, language),
  };
}

const CENT = 0.01;

function formatUsd(value: number, language: string): string {
  const digits = value > 0 && value < CENT ? 4 : 2;
  return new Intl.NumberFormat(language, {
    style: 'currency',
    currency: 'USD',
    currencyDisplay: 'narrowSymbol',
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(value);
}

export function formatClock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const pad = (n: number) => String(n).padStart(2, '0');
  return h > 0 ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

function formatBytes(value: number, language: string): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'] as const;
  const power = Math.min(3, Math.floor(Math.log10(Math.max(1, value)) / 3));
  return new Intl.NumberFormat(language, {
    style: 'unit',
    unit: units[power]!,
    unitDisplay: 'short',
    maximumFractionDigits: power === 0 ? 0 : 1,
  }).format(value / 1000 ** power);
}

export function useFormats(): Formats {
  const { i18n } = useTranslation();
  return useMemo(() => createFormats(i18n.language), [i18n.language]);
}

import { type CSSVariablesResolver, createTheme, type MantineColorsTuple } from '@mantine/core';

/** The one accent colour: a quiet blue-green that keeps its contrast on white and on black. */
const tide: MantineColorsTuple = [
  '#ecf7fa',
  '#d9ecf2',
  '#b0d9e6',
  '#83c5d9',
  '#5db4ce',
  '#45a9c8',
  '#369fc0',
  '#2287a6',
  '#0f6b87',
  '#08566d',
];

/** Also on focus, so that tooltips are available by keyboard. */
const EVERY_POINTER = { hover: true, focus: true, touch: true };

/** The library's greys for dark pages, in the tint of our own surfaces. */
const dark: MantineColorsTuple = [
  '#e4eaee',
  '#c3ccd2',
  '#a3b0b8',
  '#7b8892',
  '#4a565e',
  '#323a40',
  '#252c31',
  '#1b2024',
  '#14181b',
  '#0e1113',
];

/** The system's own, each with its Japanese companion; nothing is loaded. */
const FONTS = [
  'system-ui',
  '-apple-system',
  '"Segoe UI"',
  'Roboto',
  '"Hiragino Sans"',
  '"Noto Sans JP"',
  '"Noto Sans CJK JP"',
  '"Yu Gothic UI"',
  'Meiryo',
  'sans-serif',
];
const MONOSPACE_FONTS = [
  'ui-monospace',
  '"SF Mono"',
  'Menlo',
  'Consolas',
  '"Liberation Mono"',
  '"DejaVu Sans Mono"',
  '"Noto Sans Mono CJK JP"',
  '"MS Gothic"',
  'monospace',
];

export const theme = createTheme({
  primaryColor: 'tide',
  primaryShade: { light: 8, dark: 8 },
  colors: { tide, dark },
  autoContrast: true,
  respectReducedMotion: true,
  defaultRadius: 'md',
  cursorType: 'pointer',
  fontFamily: FONTS.join(', '),
  fontFamilyMonospace: MONOSPACE_FONTS.join(', '),
  headings: { fontWeight: '620', sizes: { h1: { fontSize: '1.5rem', lineHeight: '1.3' } } },
  components: {
    Tooltip: { defaultProps: { openDelay: 300, withArrow: true, events: EVERY_POINTER } },
  },
});

/** Colours that carry meaning, per scheme; components name them and never a raw value. */
const LIGHT = {
  '--mantine-color-body': '#f6f8f9',
  '--hf-surface': '#ffffff',
  '--hf-line': '#dfe5e9',
  '--hf-ink': '#1b252b',
  '--hf-ink-soft': '#55636c',
  '--hf-accent': '#0f6b87',
  '--hf-accent-soft': '#e3f1f5',
  '--hf-you': '#3f5b8c',
  '--hf-you-soft': '#dfe7f5',
  '--hf-model': '#0f6b87',
  '--hf-model-soft': '#d9ecf2',
  '--hf-tool': '#8a5a00',
  '--hf-tool-soft': '#f8ecd2',
  '--hf-good': '#1d7a46',
  '--hf-warn': '#8a5a00',
  '--hf-bad': '#b3261e',
  '--hf-bad-soft': '#fbe5e3',
  '--mantine-color-error': '#b3261e',
  '--mantine-color-dimmed': '#55636c',
  '--mantine-color-placeholder': '#65737c',
};

const DARK = {
  '--mantine-color-body': '#14181b',
  '--hf-surface': '#1b2024',
  '--hf-line': '#323a40',
  '--hf-ink': '#e4eaee',
  '--hf-ink-soft': '#a3b0b8',
  '--hf-accent': '#5db4ce',
  '--hf-accent-soft': '#17333d',
  '--hf-you': '#9db8ea',
  '--hf-you-soft': '#26324a',
  '--hf-model': '#5db4ce',
  '--hf-model-soft': '#173640',
  '--hf-tool': '#e0b05c',
  '--hf-tool-soft': '#3b2f17',
  '--hf-good': '#62c48e',
  '--hf-warn': '#e0b05c',
  '--hf-bad': '#f2938c',
  '--hf-bad-soft': '#42211f',
  '--mantine-color-error': '#f2938c',
  '--mantine-color-dimmed': '#a3b0b8',
  '--mantine-color-placeholder': '#93a1aa',
};

export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: LIGHT,
  dark: DARK,
});

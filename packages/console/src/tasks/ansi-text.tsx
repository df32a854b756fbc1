import Anser from 'anser';
import { memo } from 'react';
import styles from './ansi.module.css';
import { drawable } from './log-rows.ts';

/** Terminal output with its colours, as elements; none of it is parsed as markup. */
export const AnsiText = memo(function AnsiText({ text }: { text: string }) {
  const clean = drawable(text);
  if (!clean.includes('\u001b')) return clean;
  const parts = Anser.ansiToJson(clean, { json: true, use_classes: true, remove_empty: true });
  return parts.map((part, index) => {
    const { className, style } = look(part);
    return (
      // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a line have no other name
      <span key={index} className={className} style={style}>
        {part.content}
      </span>
    );
  });
});

/** A raw colour is mixed with the text colour, so that it is readable on light and dark. */
const SHARE_OF_COLOUR = '45%';

function look(part: Anser.AnserJsonEntry) {
  const names = part.decorations.map(name => styles[name]);
  if (/^ansi-(bright-)?\w+$/.test(part.fg ?? '') && part.fg !== 'ansi-truecolor') {
    names.push(styles[part.fg.replace(/^ansi-(bright-)?/, '')]);
  }
  const raw = part.fg_truecolor;
  const style = /^[\d, ]+$/.test(raw ?? '')
    ? { color: `color-mix(in srgb, rgb(${raw}) ${SHARE_OF_COLOUR}, var(--hf-ink))` }
    : undefined;
  return { className: names.filter(Boolean).join(' ') || undefined, style };
}

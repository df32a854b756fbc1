/**
 * React's JSX runtime with every text made visible (`visible.ts`): the console's components are
 * built with it (`vite.config.ts`), so that none can forget what comes from users, repositories,
 * agents and models. Values of fields stay as they are, because they are sent back.
 */
import { jsxDEV as reactDev } from 'react/jsx-dev-runtime';
import { jsx as react, jsxs as reactStatic } from 'react/jsx-runtime';
import { visible } from './visible.ts';

export { Fragment } from 'react/jsx-runtime';

type Props = Parameters<typeof react>[1] & Readonly<Record<string, unknown>>;

/** Properties that are read as text. */
const TEXTS = ['children', 'title', 'label', 'description', 'alt', 'aria-label', 'data-label'];

export const jsx: typeof react = (type, props, key) => react(type, drawn(props as Props), key);

export const jsxs: typeof reactStatic = (type, props, key) =>
  reactStatic(type, drawn(props as Props), key);

export const jsxDEV: typeof reactDev = (type, props, ...rest) =>
  reactDev(type, drawn(props as Props), ...rest);

function drawn(props: Props): Props {
  const changed = TEXTS.filter(name => shown(props[name]) !== props[name]);
  if (changed.length === 0) return props;
  return { ...props, ...Object.fromEntries(changed.map(name => [name, shown(props[name])])) };
}

/** Texts made visible, alone and in lists; everything else, and lists without such, as it is. */
function shown(value: unknown): unknown {
  if (typeof value === 'string') return visible(value);
  if (!Array.isArray(value)) return value;
  const each = value.map(shown);
  return each.some((one, index) => one !== value[index]) ? each : value;
}

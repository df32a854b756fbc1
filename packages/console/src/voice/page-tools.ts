import type { ToolHandler } from '@holdfast/client';

/**
 * What the model may do with the page: the three tools that the server gives every new session. A
 * colour is checked by the browser's own parser before it touches a style, and the HTML is of the
 * content only and cut to a size that fits an event.
 */
const PAGE_HTML_MAX_CHARS = 24_000;

const COLOURED = new Set<() => void>();
let coloured = false;

export const pageTools: Record<string, ToolHandler> = {
  changeBackgroundColor: ({ color }) => {
    document.body.style.backgroundColor = checked(color);
    setColoured(true);
    return { ok: true, color };
  },
  changeTextColor: ({ color }) => {
    const value = checked(color);
    document.body.style.color = value;
    document.documentElement.style.setProperty('--hf-ink', value);
    setColoured(true);
    return { ok: true, color };
  },
  getPageHTML: () => {
    const html = document.getElementById('content')?.outerHTML ?? '';
    const cut = html.length > PAGE_HTML_MAX_CHARS;
    return { title: document.title, html: html.slice(0, PAGE_HTML_MAX_CHARS), cut };
  },
};

/** Gives the page its own colours back. */
export function resetColours(): void {
  document.body.style.removeProperty('background-color');
  document.body.style.removeProperty('color');
  document.documentElement.style.removeProperty('--hf-ink');
  setColoured(false);
}

export const colours = {
  subscribe(listener: () => void): () => void {
    COLOURED.add(listener);
    return () => COLOURED.delete(listener);
  },
  /** Whether a tool has changed the page's colours. */
  changed: () => coloured,
};

function checked(color: unknown): string {
  if (typeof color === 'string' && CSS.supports('color', color)) return color;
  throw new Error('"color" must be a CSS colour such as #d0ebff.');
}

function setColoured(next: boolean): void {
  coloured = next;
  for (const listener of [...COLOURED]) listener();
}

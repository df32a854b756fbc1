import { useEffect, useRef } from 'react';
import { getPreferences } from '../preferences/preferences.ts';
import { belongsToElement, createKeySequence } from './key-sequence.ts';

type Handler = () => void;

/** The newest handler of a shortcut wins, so a page can take one over while it is shown. */
const handlers = new Map<string, Handler[]>();
const sequence = createKeySequence();

function onKeyDown(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (!getPreferences().shortcuts || event.repeat) return;
  if (belongsToElement(event.target as Element | null, event.key)) return;
  if (document.querySelector('[role="dialog"][aria-modal="true"]') !== null) return;
  for (const shortcut of sequence.press(event.key, event.timeStamp)) {
    const handler = handlers.get(shortcut)?.at(-1);
    if (!handler) continue;
    event.preventDefault();
    handler();
    return;
  }
}

/** Listens for all shortcuts; the shell does it once. */
export function useShortcutListener(): void {
  useEffect(() => {
    window.addEventListener('keydown', onKeyDown);
    return () => window.removeEventListener('keydown', onKeyDown);
  }, []);
}

/** Runs `handler` for a shortcut such as `?`, `space` or `g h` while the component is shown. */
export function useShortcut(shortcut: string, handler: Handler): void {
  const latest = useRef(handler);
  latest.current = handler;
  useEffect(() => {
    const run = () => latest.current();
    handlers.set(shortcut, [...(handlers.get(shortcut) ?? []), run]);
    return () => {
      const others = (handlers.get(shortcut) ?? []).filter(other => other !== run);
      if (others.length === 0) handlers.delete(shortcut);
      else handlers.set(shortcut, others);
    };
  }, [shortcut]);
}

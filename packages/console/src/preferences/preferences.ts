import { useSyncExternalStore } from 'react';
import { type Preferences, readPreferences } from './schema.ts';

/**
 * What a person chose in this browser. Kept in local storage and shared between open tabs; a value
 * that is no longer valid falls back to its own default.
 */
const KEY = 'holdfast-preferences';
const listeners = new Set<() => void>();
let current = readPreferences(load());

export function getPreferences(): Preferences {
  return current;
}

export function setPreferences(change: Partial<Preferences>): void {
  current = { ...current, ...change };
  try {
    localStorage.setItem(KEY, JSON.stringify(current));
  } catch {
    // Without storage the choice lasts until the page is closed.
  }
  for (const listener of [...listeners]) listener();
}

export function usePreferences(): Preferences {
  return useSyncExternalStore(subscribe, getPreferences);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function load(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

if (typeof window !== 'undefined') {
  window.addEventListener('storage', event => {
    if (event.key !== KEY) return;
    current = readPreferences(event.newValue);
    for (const listener of [...listeners]) listener();
  });
}

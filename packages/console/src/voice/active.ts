import { useSyncExternalStore } from 'react';

/** Whether a voice session is open in this tab; read by the navigation without the page's code. */
let active = false;
const listeners = new Set<() => void>();

export function setVoiceActive(next: boolean): void {
  if (active === next) return;
  active = next;
  for (const listener of [...listeners]) listener();
}

export function useVoiceActive(): boolean {
  return useSyncExternalStore(
    listener => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => active,
  );
}

import { useEffect, useSyncExternalStore } from 'react';
import { client, uploads } from '../app/services.ts';
import { VoiceStore, type VoiceView } from './voice-store.ts';

/** The tab's voice session; made with the first look at the Voice page, kept for good. */
export const voice = new VoiceStore(client, uploads);

export function useVoice(): VoiceView {
  return useSyncExternalStore(voice.subscribe, voice.snapshot);
}

export function useUploads() {
  return useSyncExternalStore(
    listener => uploads.subscribe(listener),
    () => uploads.snapshot,
  );
}

/** Asks before the tab is closed while a session is open or a recording is being uploaded. */
export function useLeaveGuard(busy: boolean): void {
  useEffect(() => {
    if (!busy) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener('beforeunload', ask);
    return () => window.removeEventListener('beforeunload', ask);
  }, [busy]);
}

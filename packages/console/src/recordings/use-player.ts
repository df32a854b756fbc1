import type { Recording } from '@holdfast/protocol';
import { type RefObject, useEffect, useRef, useState } from 'react';
import { client } from '../app/services.ts';

export interface Player {
  /** The recording that plays or was played last. */
  readonly currentId: string | null;
  readonly playing: boolean;
  /** Within the current recording. */
  readonly positionMs: number;
  readonly failed: boolean;
  toggle(id: string): void;
  /** Goes to a place; goes on playing if it was. */
  seek(id: string, positionMs: number): void;
}

/** How often the position is updated while playing: often enough to look smooth. */
const POSITION_INTERVAL_MS = 60;
/** This close to the end, playing begins anew. */
const END_MS = 50;

/** One player for all recordings of a page: starting one stops the other. */
export function usePlayer(recordings: readonly Recording[]): Player {
  const { load, currentId, playing, failed, fail, audio } = useAudioElement();
  const [positionMs, setPositionMs] = usePosition(audio, playing);
  const lengthMs = (id: string) =>
    (recordings.find(r => r.audio_id === id)?.measured.duration_s ?? 0) * 1000;
  return {
    currentId,
    playing,
    positionMs,
    failed,
    toggle: id => {
      const element = load(id);
      if (!element.paused) return element.pause();
      if (element.currentTime * 1000 >= lengthMs(id) - END_MS) element.currentTime = 0;
      void element.play().catch(fail);
    },
    seek: (id, wantedMs) => {
      const element = load(id);
      const ms = Math.min(lengthMs(id), Math.max(0, wantedMs));
      element.currentTime = ms / 1000;
      setPositionMs(ms);
    },
  };
}

/** The one audio element, made anew for each recording. */
function useAudioElement() {
  const audio = useRef<HTMLAudioElement | null>(null);
  const [currentId, setCurrentId] = useState<string | null>(null);
  const [playing, setPlaying] = useState(false);
  const [failed, setFailed] = useState(false);
  useEffect(() => () => audio.current?.pause(), []);
  const fail = () => setFailed(true);
  const load = (id: string): HTMLAudioElement => {
    if (audio.current && currentId === id) return audio.current;
    audio.current?.pause();
    const url = client.recordings.audioUrl(id);
    const element = new Audio(url);
    element.preload = 'auto';
    element.onplay = () => {
      setPlaying(true);
      setFailed(false);
    };
    element.onpause = () => setPlaying(false);
    element.onended = () => setPlaying(false);
    element.onerror = () => {
      element.onerror = fail;
      playFetched(element, url).catch(fail);
    };
    audio.current = element;
    setCurrentId(id);
    setFailed(false);
    return element;
  };
  return { audio, currentId, playing, failed, fail, load };
}

/**
 * Plays a recording that the element may not load by itself: an Admin plays another user's
 * only with the page's secret, which an element cannot send.
 */
async function playFetched(element: HTMLAudioElement, path: string): Promise<void> {
  const answer = await client.http.request(path, { headers: { accept: 'audio/*' } });
  const url = URL.createObjectURL(await answer.blob());
  element.onemptied = () => URL.revokeObjectURL(url);
  element.src = url;
  await element.play();
}

/** The position, renewed while it plays. */
function usePosition(audio: RefObject<HTMLAudioElement | null>, playing: boolean) {
  const [positionMs, setPositionMs] = useState(0);
  useEffect(() => {
    if (!playing) return;
    const look = () => setPositionMs((audio.current?.currentTime ?? 0) * 1000);
    const timer = setInterval(look, POSITION_INTERVAL_MS);
    return () => {
      clearInterval(timer);
      look();
    };
  }, [playing, audio]);
  return [positionMs, setPositionMs] as const;
}

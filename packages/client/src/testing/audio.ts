import type { AudioDevices, PlayedPosition } from '../voice/audio.ts';

/** Microphone and speaker made of arrays: the test sets the speech and reads what was played. */
export function arrayAudio() {
  let onFrame: ((pcm: Int16Array) => void) | null = null;
  let onPlaying: ((playing: boolean) => void) | null = null;
  const state = {
    heard: [] as { itemId: string; contentIndex: number; pcm: Int16Array }[],
    /** What `clear` will answer. */
    position: null as PlayedPosition | null,
    cleared: 0,
    muted: false,
    stopped: 0,
    attached: null as MediaStream | null,
    speak: (pcm: Int16Array) => onFrame?.(pcm),
    play: (playing: boolean) => onPlaying?.(playing),
    /** Makes the microphone refuse. */
    refuse: null as Error | null,
  };
  const devices: AudioDevices = {
    input: {
      stream: null,
      start: async listener => {
        if (state.refuse) throw state.refuse;
        onFrame = listener;
      },
      setMuted: muted => {
        state.muted = muted;
      },
      stop: async () => {
        state.stopped++;
        onFrame = null;
      },
    },
    output: {
      start: async listener => {
        onPlaying = listener;
      },
      enqueue: piece => {
        state.heard.push(piece);
      },
      attach: stream => {
        state.attached = stream;
      },
      clear: async () => {
        state.cleared++;
        onPlaying?.(false);
        return state.position;
      },
      stop: async () => {
        state.stopped++;
      },
    },
  };
  return { devices, state };
}

/**
 * The sound side of a voice session, as the state machine sees it. A browser implements it with
 * AudioWorklets, a test with arrays. All audio is PCM16 mono at 24 kHz.
 */
export const SAMPLE_RATE_HZ = 24_000;

/** One frame is 40 ms: 25 messages a second, each small enough for a busy network. */
export const FRAME_SAMPLES = 960;

export interface AudioInput {
  /** Asks for the microphone. Rejects with the browser's own error when it is refused. */
  start(onFrame: (pcm: Int16Array) => void): Promise<void>;
  /** Silences the track itself: frames go on, with zeros, so that the model hears the silence. */
  setMuted(muted: boolean): void;
  /** Releases the microphone; harmless when done twice. */
  stop(): Promise<void>;
  /** For WebRTC and for recording; null before `start` and where there is no such thing. */
  readonly stream: MediaStream | null;
}

/** How much of an answer was really played. */
export interface PlayedPosition {
  itemId: string;
  contentIndex: number;
  playedMs: number;
}

export interface AudioOutput {
  /** Must run in a user gesture where the browser asks for one. */
  start(onPlaying: (playing: boolean) => void): Promise<void>;
  enqueue(piece: { itemId: string; contentIndex: number; pcm: Int16Array }): void;
  /** WebRTC: plays the model's own stream instead of pieces. */
  attach?(stream: MediaStream): void;
  /** Stops at once and forgets what was queued; null where nothing was playing. */
  clear(): Promise<PlayedPosition | null>;
  stop(): Promise<void>;
}

export interface AudioDevices {
  input: AudioInput;
  output: AudioOutput;
}

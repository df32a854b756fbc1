import type { Piece } from '../audio/playback-queue.ts';
import type { PlayedPosition } from '../voice/audio.ts';

/** The messages between the page and the speaker's audio thread. */
export type ToSpeaker = { type: 'enqueue'; piece: Piece } | { type: 'clear'; id: number };

export type FromSpeaker =
  | { type: 'playing'; playing: boolean }
  | { type: 'cleared'; id: number; position: PlayedPosition | null };

export const CAPTURE_PROCESSOR = 'holdfast-capture';
export const SPEAKER_PROCESSOR = 'holdfast-speaker';

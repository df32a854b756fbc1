/**
 * What the parts of a session (responses, turns, load stream) may use of it. They know this port
 * only, never the session class or a transport.
 */

import type { Behaviour } from '../behaviour.ts';
import type { Clock } from '../clock.ts';
import type { Random } from '../random.ts';
import type { SessionConfig } from './config.ts';
import type { Conversation } from './conversation.ts';
import type { ServerEvent } from './server-events.ts';

/** Where a stretch of the model's voice belongs. */
export interface AudioPlace {
  responseId: string;
  itemId: string;
  contentIndex: number;
}

/** Audio that was cut off while it played. */
export interface Interrupted extends AudioPlace {
  playedMs: number;
}

/** A media track, where the model's voice is played in real time instead of sent in events. */
export interface MediaOutput {
  /** Queues samples at 24 kHz. */
  play(place: AudioPlace, samples: Int16Array): void;
  /** Nothing more comes for this response. */
  finish(responseId: string): void;
  /** Stops at once and drops the queue; returns what was playing. */
  clear(): Interrupted | undefined;
}

/** A response being generated. */
export interface Run {
  readonly id: string;
  /** Whether it is the conversation's one active response. */
  readonly inConversation: boolean;
  cancel(reason: 'turn_detected' | 'client_cancelled'): void;
  /** Ends silently: the session is closed. */
  abandon(): void;
}

export interface SessionHost {
  readonly clock: Clock;
  readonly random: Random;
  readonly behaviour: Behaviour;
  readonly config: SessionConfig;
  readonly conversation: Conversation;
  readonly media: MediaOutput | undefined;
  emit(event: ServerEvent): void;
  /** Sends one audio delta (base64) to the sinks that take audio in events. */
  emitAudio(place: AudioPlace, outputIndex: number, audio: Buffer): void;
  /** Whether a sink takes audio in events. */
  readonly wantsAudioEvents: boolean;
  /** Whether a reader is so slow that generation should wait. */
  readonly backlogged: boolean;
  /** The run emitted its last event. */
  runEnded(run: Run): void;
}

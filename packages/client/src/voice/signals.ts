import { known, type ServerEvent } from './events.ts';
import type { VoiceSignal } from './state.ts';

/**
 * What a server event means for the state. Over WebSocket we play the sound, so our own playback
 * reports it; over WebRTC the model's side reports it with `output_audio_buffer.*`.
 */
export function signalsOf(event: ServerEvent, kind: 'websocket' | 'webrtc'): VoiceSignal[] {
  const e = known(event);
  switch (e.type) {
    case 'session.created':
    case 'session.updated': {
      const detection = e.session?.audio?.input?.turn_detection;
      if (detection === undefined) return [];
      const value = detection !== null && detection.create_response !== false;
      return [{ type: 'answers_by_self', value }];
    }
    case 'input_audio_buffer.speech_started':
      return [{ type: 'user_started' }];
    case 'input_audio_buffer.speech_stopped':
      return [{ type: 'user_stopped' }];
    case 'response.created':
      return [{ type: 'response_started', id: e.response?.id ?? '' }];
    case 'response.done':
      return [{ type: 'response_done', id: e.response?.id ?? '' }];
    case 'output_audio_buffer.started':
      return kind === 'webrtc' ? [{ type: 'playing', playing: true }] : [];
    case 'output_audio_buffer.stopped':
    case 'output_audio_buffer.cleared':
      return kind === 'webrtc' ? [{ type: 'playing', playing: false }] : [];
    case 'error':
      return [{ type: 'answer_refused' }];
    default:
      return [];
  }
}

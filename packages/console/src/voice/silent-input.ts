import type { AudioInput } from '@holdfast/client';

/** In place of a microphone, for users who have none or prefer to type. */
export function silentInput(): AudioInput {
  return {
    stream: null,
    start: async () => undefined,
    setMuted: () => undefined,
    stop: async () => undefined,
  };
}

import type { AudioInput } from '@holdfast/client';

/** In place of a microphone, for those who have none or would rather type. */
export function silentInput(): AudioInput {
  return {
    stream: null,
    start: async () => undefined,
    setMuted: () => undefined,
    stop: async () => undefined,
  };
}

import type { Absent } from '../../http/index.ts';

/**
 * GPT-Live, OpenAI's successor of the Realtime API, is another protocol and not spoken here. Its
 * clients are told so in words. Source of the paths: `openai` 7.57, `resources/live`.
 */
export const NOT_OFFERED: readonly Absent[] = ['/v1/live', '/openai/v1/live'].map(path => ({
  path,
  shape: 'openai',
  detail: 'GPT-Live is not offered. The Realtime API is.',
  offered: ['/v1/realtime', '/openai/v1/realtime'],
}));

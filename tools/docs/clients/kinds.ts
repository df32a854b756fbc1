/**
 * Which types of sessions the stock clients open, each in its own way.
 * `tests/clients/kinds.test.ts` does each of these and compares what happened; a dash stands for
 * what the client does not offer.
 */
export const KINDS = [
  'conversation',
  'transcription',
  'translation',
  'sideband of a telephone call',
  'client secret',
  'GPT-Live',
] as const;
export type SessionKind = (typeof KINDS)[number];

const WORKS = 'works';
const NONE = '–';

export const OPENED: Readonly<Record<string, Readonly<Record<SessionKind, string>>>> = {
  '`openai`': {
    conversation: WORKS,
    transcription: WORKS,
    translation: WORKS,
    'sideband of a telephone call': WORKS,
    'client secret': WORKS,
    'GPT-Live': '404 GPT-Live is not offered. The Realtime API is.',
  },
  '`openai`, Azure': {
    conversation: WORKS,
    transcription: WORKS,
    translation: NONE,
    'sideband of a telephone call': WORKS,
    'client secret': NONE,
    'GPT-Live': NONE,
  },
  '`openai`, beta': {
    conversation: WORKS,
    transcription: WORKS,
    translation: NONE,
    'sideband of a telephone call': WORKS,
    'client secret': WORKS,
    'GPT-Live': NONE,
  },
  '`openai`, beta, Azure': {
    conversation: WORKS,
    transcription: NONE,
    translation: NONE,
    'sideband of a telephone call': NONE,
    'client secret': NONE,
    'GPT-Live': NONE,
  },
  'a WebSocket of one’s own': {
    conversation: WORKS,
    transcription: WORKS,
    translation: WORKS,
    'sideband of a telephone call': WORKS,
    'client secret': WORKS,
    'GPT-Live': NONE,
  },
  '`@openai/agents-realtime`, WebRTC': {
    conversation: 'status 400: The model is missing.',
    transcription: NONE,
    translation: NONE,
    'sideband of a telephone call': NONE,
    'client secret': WORKS,
    'GPT-Live': NONE,
  },
  '`@openai/agents-realtime`, WebSocket': {
    conversation: WORKS,
    transcription: NONE,
    translation: NONE,
    'sideband of a telephone call': WORKS,
    'client secret': WORKS,
    'GPT-Live': NONE,
  },
};

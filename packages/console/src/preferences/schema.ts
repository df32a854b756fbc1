/** The shape of what is remembered, and how a remembered value is read back. */
export const LANGUAGES = ['en', 'ja'] as const;
export type Language = (typeof LANGUAGES)[number];

export const BIT_RATES = [16_000, 24_000, 32_000, 64_000, 128_000] as const;

export const RECORDING_CHOICES = ['both', 'mine', 'off'] as const;
type RecordingChoice = (typeof RECORDING_CHOICES)[number];

export interface Preferences {
  /** Null: as the browser prefers. */
  language: Language | null;
  /** Null: as the server proposes. */
  bitsPerSecond: number | null;
  recording: RecordingChoice;
  transport: 'websocket' | 'webrtc';
  /** Null: the server's default model. */
  model: string | null;
  /** Whether the browser cleans the microphone's sound of echo and noise. */
  audioProcessing: boolean;
  /** Single letters as shortcuts; speech input software may need them off. */
  shortcuts: boolean;
}

export const PREFERENCE_DEFAULTS: Preferences = {
  language: null,
  bitsPerSecond: null,
  recording: 'both',
  transport: 'websocket',
  model: null,
  audioProcessing: true,
  shortcuts: true,
};

/** Reads what an earlier visit stored; each field that does not fit takes its default. */
export function readPreferences(stored: string | null): Preferences {
  const value = parse(stored);
  const pick = <T>(key: keyof Preferences, fits: (x: unknown) => x is T, fallback: T): T =>
    fits(value[key]) ? (value[key] as T) : fallback;
  const d = PREFERENCE_DEFAULTS;
  return {
    language: pick('language', oneOf(LANGUAGES), d.language),
    bitsPerSecond: pick('bitsPerSecond', oneOf(BIT_RATES), d.bitsPerSecond),
    recording: pick('recording', oneOf(RECORDING_CHOICES), d.recording),
    transport: pick('transport', oneOf(['websocket', 'webrtc'] as const), d.transport),
    model: pick('model', (x): x is string => typeof x === 'string', d.model),
    audioProcessing: pick('audioProcessing', isBoolean, d.audioProcessing),
    shortcuts: pick('shortcuts', isBoolean, d.shortcuts),
  };
}

function parse(stored: string | null): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(stored ?? '{}');
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function oneOf<T extends string | number>(allowed: readonly T[]) {
  return (value: unknown): value is T => allowed.includes(value as T);
}

function isBoolean(value: unknown): value is boolean {
  return typeof value === 'boolean';
}

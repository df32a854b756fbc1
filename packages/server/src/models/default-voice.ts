/**
 * The built-in table of voice models: OpenAI's list prices in US dollars, and how much each model
 * reads and writes. It holds for the catalogue that is built from settings, and for models that the
 * operator's file does not name; a model that the file names has the file's prices only.
 * Source: copies of the models' pages at developers.openai.com/api/docs/models, compared on the day
 * `PRICES_CHECKED`.
 */
interface Facts {
  readonly protocols: ('realtime' | 'transcription')[];
  readonly context_tokens: number;
  readonly max_output_tokens: number;
  readonly prices: ({ from: string; checked: string; currency: string } & Rates)[];
}
/** As in the catalogue. */
type Rates = Readonly<Partial<Record<Rate, number | undefined>>>;
type Rate =
  | `${'input' | 'output'}_${'text' | 'audio'}`
  | 'input_image'
  | 'cached_input'
  | `cached_input_${'audio' | 'image'}`
  | 'per_minute';
type Size = Pick<Facts, 'context_tokens' | 'max_output_tokens'>;
type Voice = readonly [input: number, cached: number, output?: number];

/** When the table was last compared with the provider's list. */
const PRICES_CHECKED = '2026-11-30';
/** Early enough for every call that is still counted. */
const PRICED_FROM = '2025-01-01';

function pricesOf(rates: Rates): Facts['prices'] {
  return [{ from: PRICED_FROM, checked: PRICES_CHECKED, currency: 'USD', ...rates }];
}

function spoken(text: Voice, audio: Voice, image: Voice, size: Size): Facts {
  const [input_text, cached_input, output_text] = text;
  const [input_audio, cached_input_audio, output_audio] = audio;
  const [input_image, cached_input_image] = image;
  return {
    ...size,
    protocols: ['realtime'],
    prices: pricesOf({
      ...{ input_text, cached_input, output_text },
      ...{ input_audio, cached_input_audio, output_audio },
      ...{ input_image, cached_input_image },
    }),
  };
}

const SMALL: Size = { context_tokens: 32_000, max_output_tokens: 4_096 };
const LARGE: Size = { context_tokens: 128_000, max_output_tokens: 32_000 };
const WRITER: Size = { context_tokens: 16_000, max_output_tokens: 2_000 };
const AUDIO: Voice = [32, 0.4, 64];
const IMAGE: Voice = [5, 0.5];
const MINI_AUDIO: Voice = [10, 0.3, 20];
const MINI_IMAGE: Voice = [0.8, 0.08];

/** Transcription: instructions (text) and audio at one price. */
const written = (input: number, output_text: number): Facts => ({
  ...WRITER,
  protocols: ['transcription'],
  prices: pricesOf({ input_text: input, input_audio: input, output_text }),
});
const timed = (
  per_minute: number,
  protocol: 'realtime' | 'transcription' = 'transcription',
): Facts => ({
  ...WRITER,
  protocols: [protocol],
  prices: pricesOf({ per_minute }),
});

export const BUILTIN_VOICE: Readonly<Record<string, Facts>> = {
  'gpt-realtime': spoken([4, 0.4, 16], AUDIO, IMAGE, SMALL),
  'gpt-realtime-1.5': spoken([4, 0.4, 16], AUDIO, IMAGE, SMALL),
  'gpt-realtime-2': spoken([4, 0.4, 24], AUDIO, IMAGE, LARGE),
  'gpt-realtime-2.1': spoken([4, 0.4, 24], AUDIO, IMAGE, LARGE),
  'gpt-realtime-mini': spoken([0.6, 0.06, 2.4], MINI_AUDIO, MINI_IMAGE, SMALL),
  'gpt-realtime-2.1-mini': spoken([0.6, 0.06, 2.4], MINI_AUDIO, MINI_IMAGE, LARGE),
  'gpt-4o-transcribe': written(2.5, 10),
  'gpt-4o-mini-transcribe': written(1.25, 5),
  'gpt-transcribe': timed(0.0045),
  'whisper-1': timed(0.006),
  'gpt-realtime-whisper': timed(0.017),
  'gpt-live-transcribe': timed(0.017),
  'gpt-realtime-translate': timed(0.034, 'realtime'),
};
const DATE = /-\d{4}-\d{2}-\d{2}$/;

/** What the table knows of a name, dated or not; undefined for any other. */
export function builtinVoice(name: string): Facts | undefined {
  const undated = name.replace(DATE, '');
  return Object.hasOwn(BUILTIN_VOICE, undated) ? BUILTIN_VOICE[undated] : undefined;
}

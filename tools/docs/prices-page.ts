import { parseCatalogue } from '../../packages/server/src/models/catalogue.ts';
import { defaultTextModels } from '../../packages/server/src/models/default-text.ts';
import { BUILTIN_VOICE } from '../../packages/server/src/models/default-voice.ts';
import { code, heading, page, table } from './markdown.ts';

type Price = ReturnType<typeof parseCatalogue>['models'][number]['prices'][number];

const TEXT_COLUMNS = ['input_text', 'cached_input', 'cache_write', 'output_text'] as const;
const VOICE_COLUMNS = [
  'input_text',
  'cached_input',
  'output_text',
  'input_audio',
  'cached_input_audio',
  'output_audio',
  'input_image',
  'cached_input_image',
  'per_minute',
] as const;

/** The prices that hold where the operator gives none. */
export function renderPrices(): string {
  return page([
    ...heading('Built-in prices', '`packages/server/src/models/default-{voice,text}.ts`'),
    'List prices in US dollars per million tokens, `per_minute` per minute of audio, each with the',
    'day when it was last compared with the list. What they are used for, and how to set your own:',
    '[the guide](../guide/models.md).',
    '',
    '## Voice',
    '',
    'Dated names have the prices of the name without its date.',
    '',
    ...rows(Object.entries(BUILTIN_VOICE), VOICE_COLUMNS),
    '',
    '## Text',
    '',
    'The prices of long contexts, where they differ, are in the code.',
    '',
    ...rows(textModels(), TEXT_COLUMNS),
  ]);
}

interface Priced {
  readonly prices: readonly Partial<Price>[];
  readonly context_tokens: number;
  readonly max_output_tokens: number;
}

function rows(
  models: readonly [string, Priced][],
  columns: readonly (keyof Price & (typeof VOICE_COLUMNS | typeof TEXT_COLUMNS)[number])[],
): string[] {
  return table(
    ['model', ...columns.map(code), '`context_tokens`', '`max_output_tokens`', '`checked`'],
    models.map(([name, { prices, context_tokens, max_output_tokens }]) => [
      code(name),
      ...columns.map(column => String(prices[0]?.[column] ?? '')),
      String(context_tokens),
      String(max_output_tokens),
      prices[0]?.checked ?? '',
    ]),
  );
}

function textModels(): [string, Priced][] {
  const own = { apiKeySecret: 'KEY' };
  const { endpoints, models } = defaultTextModels({
    openai: { url: 'https://api.openai.com/v1', ...own },
    anthropic: own,
    gemini: own,
  });
  const catalogue = parseCatalogue({ default: models[0]!.id, endpoints, models });
  return catalogue.models.map(model => [model.id, model]);
}

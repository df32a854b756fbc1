import {
  type CatalogueFile,
  type CatalogueInput,
  type Provider,
  parseCatalogue,
} from './catalogue.ts';
import { builtinVoice } from './default-voice.ts';

/**
 * The realtime models of the catalogue that is built from settings: the names in the typings of
 * the clients `openai` 7.57 and `@openai/agents-realtime` 0.20 (November 2026), and the ends that
 * OpenAI has announced for them there. Any other name is passed on as it is.
 */
const ENDS = { shutdown_date: '2027-01-20' };

/**
 * Names that OpenAI has shut down, which clients of earlier releases send. They lead to what
 * replaces them.
 */
const RETIRED = [
  'gpt-4o-realtime-preview',
  'gpt-4o-realtime-preview-2024-10-01',
  'gpt-4o-realtime-preview-2024-12-17',
  'gpt-4o-realtime-preview-2025-06-03',
  'gpt-realtime-preview',
];
const RETIRED_MINI = ['gpt-4o-mini-realtime-preview', 'gpt-4o-mini-realtime-preview-2024-12-17'];

/** The first is the model of routes that name none. */
const VOICE_MODELS: readonly Omit<CatalogueInput['models'][number], 'endpoint'>[] = [
  { id: 'gpt-realtime-2.1', aliases: RETIRED },
  { id: 'gpt-realtime-2.1-mini', aliases: RETIRED_MINI },
  { id: 'gpt-realtime-2' },
  { id: 'gpt-realtime-1.5' },
  { id: 'gpt-realtime', ...ENDS },
  { id: 'gpt-realtime-2025-08-28', ...ENDS },
  { id: 'gpt-realtime-mini', ...ENDS },
  { id: 'gpt-realtime-mini-2025-10-06' },
  { id: 'gpt-realtime-mini-2025-12-15', ...ENDS },
  { id: 'gpt-audio-1.5' },
  { id: 'gpt-audio-mini', ...ENDS },
  { id: 'gpt-audio-mini-2025-10-06' },
  { id: 'gpt-audio-mini-2025-12-15', ...ENDS },
];

export interface DefaultCatalogueSettings {
  readonly provider: Provider;
  /** Azure: the resource's address. Compatible: the base ending in `/v1`. */
  readonly url?: string;
  readonly auth: 'api_key' | 'entra' | 'none';
  /** Name of the secret that holds the API key. */
  readonly apiKeySecret?: string;
  /** Azure's deployment. */
  readonly deployment?: string;
  /** Endpoints and models of other protocols, beside the realtime ones. */
  readonly text?: Pick<CatalogueInput, 'endpoints' | 'models'>;
}

/**
 * The catalogue when the operator gives none. Of an Azure resource the settings name one
 * deployment, to which the names of OpenAI's models lead, because clients send them by default;
 * other upstreams have these models under their own names. Any other name is passed on.
 */
export function defaultCatalogue(settings: DefaultCatalogueSettings): CatalogueFile {
  const { provider, url, auth, text } = settings;
  const realtime = provider === 'azure' ? [azureModel(settings.deployment)] : VOICE_MODELS;
  return parseCatalogue({
    default: realtime[0]!.id,
    pass_on: 'default',
    endpoints: {
      default: { provider, url, auth, api_key_secret: settings.apiKeySecret },
      ...text?.endpoints,
    },
    models: [
      ...realtime.map(model => ({
        ...model,
        endpoint: 'default',
        ...sizeAndPrices(model.deployment ?? model.id),
      })),
      ...(text?.models ?? []),
    ],
  } satisfies CatalogueInput);
}

function azureModel(deployment = 'gpt-realtime') {
  const id = 'gpt-realtime';
  const names = VOICE_MODELS.flatMap(model => [model.id, ...(model.aliases ?? [])]);
  const aliases = [...new Set([...names, deployment])].filter(name => name !== id);
  return { id, aliases, deployment };
}

function sizeAndPrices(name: string) {
  const { protocols: _, ...known } = builtinVoice(name) ?? {};
  return known;
}

import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { HoldfastError } from '../kernel/index.ts';

/**
 * The operator's model file (`models.json`): which models exist, under which names callers request
 * them, and where each one runs. It names secrets, never holds them.
 */
const PROVIDERS = ['azure', 'openai', 'compatible', 'anthropic', 'gemini'] as const;
export type Provider = (typeof PROVIDERS)[number];

/**
 * Protocols of models: OpenAI's, Anthropic's Messages, Google's Gemini. `transcription`: models
 * that write down a user's speech within a session of another, or in one of their own.
 */
export const PROTOCOLS = [
  'realtime',
  'transcription',
  'responses',
  'chat',
  'messages',
  'gemini',
] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** The providers that offer a protocol. */
const SPEAKERS: Readonly<Record<Protocol, readonly Provider[]>> = {
  realtime: ['azure', 'openai', 'compatible'],
  transcription: ['azure', 'openai', 'compatible'],
  responses: ['azure', 'openai', 'compatible'],
  chat: ['azure', 'openai', 'compatible'],
  messages: ['anthropic'],
  gemini: ['gemini'],
};
/** Providers with an official address, so that `url` may be left out. */
const KNOWN_ADDRESS: readonly Provider[] = ['openai', 'anthropic', 'gemini'];

const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$/, 'letters, digits and . _ : - only, at most 100');

const alias = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,98}\*?$/, 'a name; a last * stands for any ending');

const rate = z.number().min(0).optional();

export const price = z.strictObject({
  from: z.iso.date().describe('First day (UTC) on which this price holds.'),
  checked: z.iso.date().optional().describe("When it was last compared with the provider's list."),
  currency: z.string().length(3).default('USD'),
  input_text: rate.describe('Per million tokens, as are all but `per_minute`.'),
  input_audio: rate,
  input_image: rate,
  cached_input: rate.describe('Text that comes from a cache; left out: as `input_text`.'),
  cached_input_audio: rate.describe('Left out: as `input_audio`.'),
  cached_input_image: rate.describe('Left out: as `input_image`.'),
  cache_write: rate.describe('Input written to a cache.'),
  output_text: rate,
  output_audio: rate,
  per_minute: rate.describe('Per minute of audio, for models that are billed by its length.'),
  long_context: z
    .strictObject({
      above_tokens: z.int().min(1).max(100_000_000),
      input_text: z.number().min(0),
      cached_input: z.number().min(0).optional(),
      cache_write: z.number().min(0).optional(),
      output_text: z.number().min(0),
    })
    .optional()
    .describe('Prices of a whole call whose input is longer.'),
});

const endpoint = z.strictObject({
  provider: z.enum(PROVIDERS),
  url: z
    .string()
    .max(500)
    .optional()
    .describe(
      'Azure: the resource. Compatible: the base that ends in `/v1`. ' +
        'OpenAI, Anthropic, Gemini: left out for their own.',
    ),
  auth: z.enum(['api_key', 'entra', 'none']).default('api_key'),
  api_key_secret: z.string().max(200).optional().describe('Name of the secret with the API key.'),
});

/** Also of a realtime model that is passed on, with what its name alone says. */
export const modelEntry = z.strictObject({
  id: name,
  aliases: z.array(alias).max(50).default([]),
  endpoint: name.describe('One of `endpoints`.'),
  deployment: z.string().min(1).max(200).optional().describe('The upstream name; default: `id`.'),
  protocols: z.array(z.enum(PROTOCOLS)).min(1).default(['realtime']),
  max_output_tokens: z
    .number()
    .int()
    .min(1)
    .max(10_000_000)
    .default(128_000)
    .describe('The most it can write in one answer; budgets reserve it when a call names none.'),
  context_tokens: z
    .number()
    .int()
    .min(1)
    .max(100_000_000)
    .default(1_000_000)
    .describe('The most it can read; budgets reserve it when a call refers to stored input.'),
  prices: z.array(price).max(100).default([]),
  shutdown_date: z.iso.date().optional().describe('When the provider has announced its end.'),
});
export type Price = z.infer<typeof price>;

export const catalogueFile = z
  .strictObject({
    $schema: z.string().optional(),
    default: name.describe('The model of routes that name none.'),
    endpoints: z.record(name, endpoint),
    pass_on: name
      .optional()
      .describe(
        'One of `endpoints`: it gets the realtime names that no model has, as they are. ' +
          'Left out: they are refused.',
      ),
    models: z.array(modelEntry).min(1).max(200),
  })
  .superRefine((file, context) => {
    for (const fault of catalogueFaults(file)) context.addIssue({ code: 'custom', ...fault });
  });
export type CatalogueFile = z.infer<typeof catalogueFile>;
export type CatalogueInput = z.input<typeof catalogueFile>;
export type Model = CatalogueFile['models'][number];
export type Endpoint = CatalogueFile['endpoints'][string];

interface Fault {
  path: (string | number)[];
  message: string;
}

interface Named {
  default: string;
  pass_on?: string | undefined;
  endpoints: Record<string, Endpoint>;
  models: readonly Pick<
    CatalogueFile['models'][number],
    'id' | 'aliases' | 'endpoint' | 'protocols' | 'prices'
  >[];
}

/** Faults that the schema cannot express: names used twice, names without a target. */
function catalogueFaults(file: Named): Fault[] {
  const faults: Fault[] = [];
  const taken = new Set<string>();
  file.models.forEach((entry, index) => {
    for (const known of [entry.id, ...entry.aliases]) {
      if (taken.has(known)) {
        faults.push({ path: ['models', index], message: `the name ${known} is used twice` });
      }
      taken.add(known);
    }
    if (!Object.hasOwn(file.endpoints, entry.endpoint)) {
      faults.push({
        path: ['models', index, 'endpoint'],
        message: `no endpoint ${entry.endpoint}`,
      });
    }
    const provider = file.endpoints[entry.endpoint]?.provider;
    const mute = entry.protocols.find(one => provider && !SPEAKERS[one].includes(provider));
    if (mute) faults.push({ path: ['models', index], message: `${provider} has no ${mute}` });
    faults.push(...priceFaults(entry, index));
  });
  if (!taken.has(file.default)) faults.push({ path: ['default'], message: 'names no model' });
  else if (!isSpoken(file)) faults.push({ path: ['default'], message: 'must be a realtime model' });
  if (file.pass_on !== undefined) {
    const provider = file.endpoints[file.pass_on]?.provider;
    if (provider === undefined || !SPEAKERS.realtime.includes(provider)) {
      faults.push({ path: ['pass_on'], message: 'names no endpoint with realtime models' });
    }
  }
  for (const [key, value] of Object.entries(file.endpoints)) {
    const path = ['endpoints', key];
    const fault = endpointFault(value);
    if (fault) faults.push({ path, message: fault });
  }
  return faults;
}

/** Prices that only models of some protocols have; they would be ignored elsewhere. */
const VOICE_PRICES = [
  'input_audio',
  'input_image',
  'cached_input_audio',
  'cached_input_image',
  'output_audio',
  'per_minute',
] as const;
const TEXT_PRICES = ['cache_write', 'long_context'] as const;

export const isVoice = (protocol: Protocol): protocol is 'realtime' | 'transcription' =>
  protocol === 'realtime' || protocol === 'transcription';

function priceFaults(entry: Named['models'][number], index: number): Fault[] {
  const voice = entry.protocols.some(isVoice);
  const text = !entry.protocols.every(isVoice);
  const unused = [...(voice ? [] : VOICE_PRICES), ...(text ? [] : TEXT_PRICES)];
  return entry.prices.flatMap((price, at) =>
    unused
      .filter(name => price[name] !== undefined)
      .map(name => ({
        path: ['models', index, 'prices', at, name],
        message: `is for ${voice ? 'text' : 'realtime and transcription'} models only`,
      })),
  );
}

/** Whether the default is a realtime model, if there is any: realtime routes may name no model. */
function isSpoken(file: Named): boolean {
  const spoken = file.models.filter(entry => entry.protocols.includes('realtime'));
  const isDefault = (entry: Named['models'][number]) =>
    [entry.id, ...entry.aliases].includes(file.default);
  return spoken.length === 0 || spoken.some(isDefault);
}

function endpointFault(value: Endpoint): string | undefined {
  if (value.auth === 'entra' && value.provider !== 'azure') return 'entra is for azure only';
  if (value.auth === 'api_key' && value.api_key_secret === undefined) {
    return 'api_key_secret is missing';
  }
  if (value.url === undefined) {
    return KNOWN_ADDRESS.includes(value.provider) ? undefined : 'url is missing';
  }
  return urlFault(value.url);
}

/** Why `value` must not be an upstream address, or undefined when it may. */
function urlFault(value: string): string | undefined {
  const url = URL.parse(value);
  if (url === null) return 'url is not an absolute URL';
  if (url.username !== '' || url.password !== '') return 'url must not contain credentials';
  if (url.search !== '' || url.hash !== '') return 'url must not have a query or fragment';
  if (url.protocol === 'https:' || url.protocol === 'wss:') return undefined;
  if (url.protocol !== 'http:' && url.protocol !== 'ws:') return 'url must be https or wss';
  const host = url.hostname;
  const loopback = host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
  return loopback ? undefined : 'url must be https unless it is a loopback address';
}

/** Checks parsed JSON; one error names every fault with its place. */
export function parseCatalogue(value: unknown): CatalogueFile {
  const result = catalogueFile.safeParse(value);
  if (result.success) return result.data;
  const faults = result.error.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`);
  throw new HoldfastError('invalid_request', `models.json: ${faults.join('; ')}.`);
}

/** Reads and checks the operator's file. */
export async function loadCatalogue(path: string): Promise<CatalogueFile> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new HoldfastError('invalid_request', `Cannot read the model file ${path} as JSON.`, {
      cause,
    });
  }
  return parseCatalogue(value);
}

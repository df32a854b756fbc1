import type { ProviderKey } from '@holdfast/protocol';

type Provider = ProviderKey['provider'];

/** The providers that a project may add a key for; as for `SCOPES`, a test compares the lists. */
export const PROVIDERS = [
  'openai',
  'anthropic',
  'gemini',
  'azure',
  'compatible',
] as const satisfies readonly Provider[];

/** By the providers' own names, which no language changes; `compatible` is none. */
export const PROVIDER_TITLES = {
  openai: 'OpenAI',
  anthropic: 'Anthropic',
  gemini: 'Google Gemini',
  azure: 'Azure OpenAI',
} satisfies Partial<Record<Provider, string>>;

/** Whether the server takes it as a key. */
export function isKey(text: string): boolean {
  return /^[\x21-\x7e]{16,500}$/.test(text);
}

import { flag, secret, text, upstreamUrl } from '../kinds.ts';
import { optional, setting } from '../setting.ts';

/** The models behind the gateway. At least one upstream of realtime models must be set. */
export const upstreamSettings = {
  AZURE_OPENAI_ENDPOINT: optional(upstreamUrl, {
    description: 'Azure OpenAI resource. With AZURE_OPENAI_API_KEY this is all it takes.',
    example: 'https://<resource>.openai.azure.com',
  }),
  AZURE_OPENAI_API_KEY: optional(secret(), { description: 'Key of the Azure OpenAI resource.' }),
  HOLDFAST_AZURE_OPENAI_ENTRA: setting(flag, 'false', {
    description: 'Call Azure OpenAI with Entra ID (managed identity) instead of a key.',
  }),
  AZURE_OPENAI_DEPLOYMENT: setting(text, 'gpt-realtime', {
    description: 'Deployment that serves the default model.',
  }),
  AZURE_OPENAI_API_VERSION: optional(text, {
    description:
      'Accepted from older deployments and without effect: upstreams speak the GA protocol, ' +
      'which has no version, and preview clients name their own.',
  }),
  AZURE_CLIENT_ID: optional(text, {
    description: 'Client id of the user-assigned managed identity, wherever Entra ID is used.',
  }),
  OPENAI_API_KEY: optional(secret(), {
    description: 'Key for OpenAI or for the compatible server at OPENAI_BASE_URL.',
  }),
  OPENAI_BASE_URL: optional(upstreamUrl, {
    description: 'A server that speaks the OpenAI API. Default with a key: OpenAI itself.',
    example: 'https://api.openai.com/v1',
  }),
  ANTHROPIC_API_KEY: optional(secret(), {
    description: "Key for Anthropic's models, which agents call through the model gateway.",
  }),
  ANTHROPIC_BASE_URL: optional(upstreamUrl, {
    description:
      'A server that speaks the Messages API, without `/v1`. Counts only with ANTHROPIC_API_KEY; ' +
      'default: Anthropic itself.',
    example: 'https://api.anthropic.com',
  }),
  GEMINI_API_KEY: optional(secret(), {
    description: "Key for Google's Gemini models, which agents call through the model gateway.",
  }),
  GOOGLE_GEMINI_BASE_URL: optional(upstreamUrl, {
    description:
      'A server that speaks the Gemini API, without `/v1beta`. Counts only with GEMINI_API_KEY; ' +
      'default: Google itself.',
    example: 'https://generativelanguage.googleapis.com',
  }),
  HOLDFAST_MODELS_FILE: optional(text, {
    description: 'Operator file (JSON) with the model catalogue. Default: the built-in catalogue.',
    example: './models.json',
  }),
};

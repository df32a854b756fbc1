/** The catalogue of models, and the gateway through which agents call them. */
import type { Auth } from '../auth/index.ts';
import type { Platform } from '../compose.ts';
import type { Config } from '../config/index.ts';
import { HoldfastError, systemClock } from '../kernel/index.ts';
import {
  budgetRoutes,
  type CatalogueFile,
  createBudgets,
  createHostedTools,
  createModelGateway,
  createModels,
  createProviderKeys,
  createVoiceAccounts,
  defaultCatalogue,
  defaultTextModels,
  entraTokens,
  hostedToolsRoutes,
  loadCatalogue,
  type ModelGateway,
  type Models,
  modelGatewayRoutes,
  modelsRoutes,
  providerKeyRoutes,
  upstreamHealth,
  type VoiceAccounts,
} from '../models/index.ts';
import type { Feature } from './feature.ts';

export interface ModelsFeature extends Feature {
  readonly models: Models;
  readonly gateway: ModelGateway;
  readonly accounts: VoiceAccounts;
}

export async function openModels(
  config: Config,
  platform: Platform,
  { audit, watch }: Auth,
): Promise<ModelsFeature> {
  const { roles, healthIntervalMs } = config.server;
  const providerKeys = createProviderKeys({ ...platform, audit });
  const models = createModels({
    catalogue: await openCatalogue(config),
    credentials: {
      secret: name => platform.secrets.get(name),
      ownKey: providerKeys.current,
      entraToken: entraTokens({
        managedIdentityClientId: config.upstreams.azureClientId ?? undefined,
      }),
    },
  });
  const budgets = createBudgets({ ...platform, audit });
  const hostedTools = createHostedTools({ ...platform, audit });
  const gateway = createModelGateway({
    ...platform,
    clock: systemClock,
    models,
    providerKeys,
    hostedTools,
  });
  const isGateway = roles.includes('gateway');
  return {
    models,
    gateway,
    accounts: createVoiceAccounts({ ...platform, clock: systemClock, models }),
    routes: [
      ...(roles.includes('api')
        ? [budgetRoutes(budgets), hostedToolsRoutes(hostedTools), providerKeyRoutes(providerKeys)]
        : []),
      modelsRoutes(models, systemClock),
      ...(isGateway ? [modelGatewayRoutes(gateway, watch)] : []),
    ],
    health: isGateway
      ? [upstreamHealth(models, { clock: systemClock, intervalMs: healthIntervalMs })]
      : [],
  };
}

async function openCatalogue(config: Config): Promise<CatalogueFile> {
  const { modelsFile, azure, openai, anthropic, gemini } = config.upstreams;
  if (modelsFile !== null) return loadCatalogue(modelsFile);
  const own = (baseUrl: string | null) => (baseUrl === null ? {} : { url: baseUrl });
  const text = defaultTextModels({
    openai: openai ? { url: openai.baseUrl, apiKeySecret: 'OPENAI_API_KEY' } : undefined,
    anthropic: anthropic
      ? { ...own(anthropic.baseUrl), apiKeySecret: 'ANTHROPIC_API_KEY' }
      : undefined,
    gemini: gemini ? { ...own(gemini.baseUrl), apiKeySecret: 'GEMINI_API_KEY' } : undefined,
  });
  if (azure) {
    return defaultCatalogue({
      text,
      provider: 'azure',
      url: azure.endpoint,
      deployment: azure.deployment,
      ...(azure.entra
        ? { auth: 'entra' }
        : { auth: 'api_key', apiKeySecret: 'AZURE_OPENAI_API_KEY' }),
    });
  }
  if (openai) {
    return defaultCatalogue({
      text,
      provider: 'compatible',
      url: openai.baseUrl,
      auth: 'api_key',
      apiKeySecret: 'OPENAI_API_KEY',
    });
  }
  if (!config.server.roles.includes('gateway')) {
    return defaultCatalogue({ text, provider: 'openai', auth: 'none' });
  }
  throw new HoldfastError(
    'invalid_request',
    'There is no model: set AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY, or OPENAI_API_KEY, ' +
      'or HOLDFAST_MODELS_FILE. `npm start` runs with a simulated one.',
  );
}

/**
 * The models that callers may request, and where each one runs.
 *
 * The catalogue comes from the operator's `models.json`, or is built from settings, and does not
 * change while the process runs. A caller's name (id or alias) is resolved here and nowhere else;
 * upstream addresses and credentials never leave the server. Plain `http`/`ws` upstreams are
 * accepted on loopback only, and an address never carries credentials.
 *
 * The model gateway (`gateway/`) sends calls of text models on, streamed or not: as it understood
 * them (`gateway/requests`), with the real key in place of the caller's credential. What the
 * provider would do itself (search, code, addresses) is refused unless the project allows it by
 * name (`hosted-tools/`). Agents of runs call it with a token that is bound to their run (`rt_…`,
 * stored as a hash). Money is reserved in SQL at the worst case before
 * a call is sent and settled after (`budgets/`); an unsettled reservation counts in full. A
 * project's own keys (`provider-keys/`) are sealed and take precedence over the catalogue's.
 */
export { createBudgets } from './budgets/budgets.ts';
export { hasBoundedCall, type RunBill, settleLost } from './budgets/reservations.ts';
export { budgetRoutes } from './budgets/routes.ts';
export {
  type CatalogueFile,
  loadCatalogue,
  type Model,
  parseCatalogue,
} from './catalogue.ts';
export { defaultCatalogue } from './default-catalogue.ts';
export { defaultTextModels } from './default-text.ts';
export { entraTokens } from './entra.ts';
export {
  createModelGateway,
  type RoutedModelGateway,
} from './gateway/create-gateway.ts';
export type { BudgetNotice, ModelCall, ModelGateway } from './gateway/gateway.ts';
export type { GatewayLimits } from './gateway/limits.ts';
export { modelGatewayRoutes } from './gateway/routes.ts';
export { runOfToken } from './gateway/run-tokens.ts';
export { upstreamHealth } from './health.ts';
export { createHostedTools } from './hosted-tools/hosted-tools.ts';
export { hostedToolsRoutes } from './hosted-tools/routes.ts';
export { createModels, type Models } from './models.ts';
export { createProviderKeys } from './provider-keys/provider-keys.ts';
export { providerKeyRoutes } from './provider-keys/routes.ts';
export { modelsRoutes } from './routes.ts';
export type { SocketTarget, Upstream } from './upstream.ts';
export {
  createVoiceAccounts,
  type VoiceAccount,
  type VoiceAccounts,
} from './voice-accounts.ts';
export type { Modalities, VoiceUsage } from './voice-prices.ts';
